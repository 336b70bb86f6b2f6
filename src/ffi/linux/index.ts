/** Linux's kernel interfaces by system calls alone: rtnetlink, bpf, cgroups, nftables, mounts, locks. */
export { SyscallError } from "../errno.ts";
export * as inet from "../inet.ts";
export { LibraryError } from "../library.ts";
export { setTrace } from "../trace.ts";
export { errnoTable } from "./abi/errno.ts";
export * as bpf from "./bpf/index.ts";
export * as cgroup from "./cgroup.ts";
export * as conntrack from "./conntrack.ts";
export { Fd, openDescriptors } from "./fd.ts";
export * as flock from "./flock.ts";
export * as mount from "./mount.ts";
export * as netlink from "./netlink/index.ts";
export * as networkNamespace from "./network-namespace.ts";
export * as nftables from "./nftables.ts";
export * as address from "./rtnl/address.ts";
export * as link from "./rtnl/link.ts";
export * as route from "./rtnl/route.ts";
export * as sockDiag from "./sock-diag.ts";
