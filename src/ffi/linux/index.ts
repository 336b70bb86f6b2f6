/**
 * Linux's links, addresses and routes, nftables and tracked connections, bpf, cgroups, mounts, locks and processes by their
 * system calls, for amd64 and arm64.
 *
 * Importing opens no library; the first call opens libc. Failures are SyscallErrors with errno's name and the kernel's own
 * words. Calls over netlink are synchronous, as the kernel's answers are: it has answered when send(2) returns. A dump of
 * objects that keep changing is taken again for three seconds at most, and holds up the event loop meanwhile; so do
 * commands of `nftables`, while the kernel carries them out. What waits for others, for locks, cgroups and processes,
 * returns a promise.
 *
 * @example An interface with an address.
 * ```ts
 * import { address, inet, isErrno, link, netlink } from "klee/ffi/linux";
 *
 * using socket = netlink.openRtnetlink();
 * const web0 = link.createLink(socket, { name: "web0", kind: "bridge", up: true });
 * try {
 *   address.addAddresses(socket, web0, [inet.parsePrefix("10.2.3.1/32")]);
 *   console.log(address.listAddresses(socket, web0));
 * } catch (error) {
 *   if (isErrno(error, "EPERM")) console.error(error.kernelText);
 *   else throw error;
 * } finally {
 *   link.deleteLink(socket, web0.index, web0.name);
 * }
 * ```
 *
 * @module
 */
export type { CallDescription, Returned } from "../calls.ts";
export { type ErrnoTable, isErrno, SyscallError, type SyscallFailure } from "../errno.ts";
export type { AddressHolder } from "../ethernet.ts";
export type { OwnedFd } from "../fd.ts";
/** Addresses of the internet as text and as bytes. */
export * as inet from "../inet.ts";
export { AddressError } from "../inet.ts";
export { addressOf, LibraryError } from "../library.ts";
export { waitCgroupEmpty } from "../native.ts";
/** C structs as data, for calls of your own. */
export * as struct from "../struct.ts";
export { FieldError } from "../struct.ts";
export { type Call, type CallHook, onCall, printCalls } from "../trace.ts";
export { errnoTable } from "./abi/errno.ts";
/** Constants and structs of the kernel's headers, under the kernel's names. */
export * as abi from "./abi.ts";
/** bpf(2): maps, programs, attachments to cgroups, links; and an assembler. */
export * as bpf from "./bpf/index.ts";
/** Locks of single bytes of a file, fcntl(2), that go with their descriptor. */
export * as byteLocks from "./byte-locks.ts";
/** Version 2 of control groups, and what is used of version 1. */
export * as cgroup from "./cgroup.ts";
/** Connections that the kernel tracks, and how they are deleted. */
export * as conntrack from "./conntrack.ts";
export { Fd, openDescriptors, openFile } from "./fd.ts";
/** Files by descriptor, with what Node does not offer: holes, attributes, links that are not followed. */
export * as file from "./file.ts";
/** Locks of whole files, open file descriptions, and who holds them. */
export * as flock from "./flock.ts";
/** Containers, and processes in them, by a program that enters their namespaces. */
export * as launch from "./launch.ts";
export {
  type Argument,
  asyncFunction,
  asyncSyscall,
  type BoundFunction,
  boundFunctions,
  cFunction,
  type LibraryName,
  syscall,
  systemCall,
} from "./libc.ts";
/** mount(2), umount2(2), statfs(2), and what is mounted. */
export * as mount from "./mount.ts";
/** Sockets of netlink(7), messages and attributes. */
export * as netlink from "./netlink/index.ts";
/** This process's network namespace, and namespaces of its own. */
export * as networkNamespace from "./network-namespace.ts";
/** Commands in the language of nft(8), by libnftables. */
export * as nftables from "./nftables.ts";
/** Packets of a link, packet(7): who has an address there. */
export * as packet from "./packet.ts";
/** Processes by descriptors, pidfd_open(2): their end is waited for, and signals reach no other. */
export * as pidfd from "./pidfd.ts";
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
/** The functions of sockets, socket(7). */
export * as socket from "./socket.ts";
