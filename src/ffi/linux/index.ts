/**
 * Linux's kernel interfaces by system calls alone: rtnetlink, bpf, cgroups, nftables, mounts, locks.
 *
 * @module
 */
export { type ErrnoTable, isErrno, SyscallError, type SyscallFailure } from "../errno.ts";
export type { AddressHolder } from "../ethernet.ts";
export type { OwnedFd } from "../fd.ts";
/** Addresses of the internet as text and as bytes. */
export * as inet from "../inet.ts";
export { AddressError } from "../inet.ts";
export { LibraryError } from "../library.ts";
export { FieldError } from "../struct.ts";
export { type Call, type CallHook, onCall, printCalls } from "../trace.ts";
export { errnoTable } from "./abi/errno.ts";
/** bpf(2): maps, programs, attachments to cgroups, links; and an assembler. */
export * as bpf from "./bpf/index.ts";
/** Version 2 of control groups, and what is used of version 1. */
export * as cgroup from "./cgroup.ts";
/** Connections that the kernel tracks, and how they are deleted. */
export * as conntrack from "./conntrack.ts";
export { Fd, openDescriptors } from "./fd.ts";
/** Files by descriptor, with what Node does not offer: holes, attributes, links that are not followed. */
export * as file from "./file.ts";
/** Locks of whole files, open file descriptions, and who holds them. */
export * as flock from "./flock.ts";
/** mount(2), umount2(2), statfs(2), and what is mounted. */
export * as mount from "./mount.ts";
/** Sockets of netlink(7), messages and attributes. */
export * as netlink from "./netlink/index.ts";
/** The network namespaces of processes, setns(2). */
export * as networkNamespace from "./network-namespace.ts";
/** Commands in the language of nft(8), by libnftables. */
export * as nftables from "./nftables.ts";
/** Packets of a link, packet(7): who has an address there. */
export * as packet from "./packet.ts";
/** Addresses of interfaces, RTM_NEWADDR and its like. */
export * as address from "./rtnl/address.ts";
/** Network interfaces, RTM_NEWLINK and its like. */
export * as link from "./rtnl/link.ts";
/** Neighbours on a link, RTM_GETNEIGH. */
export * as neighbour from "./rtnl/neighbour.ts";
/** Routes, RTM_GETROUTE. */
export * as route from "./rtnl/route.ts";
/** Elements of the sets and maps of nftables, by netlink. */
export * as setElements from "./set-elements.ts";
/** Sockets of the host, sock_diag(7). */
export * as sockDiag from "./sock-diag.ts";
