/**
 * The constants and structs that the bindings use, one namespace for each file: `abi.rtnetlink.ifinfomsg`,
 * `abi.socket.SO_RCVBUF`. A compiler compares each with the headers that its namespace names. For calls of your own.
 */
export * as bpf from "./abi/bpf.ts";
export * as btf from "./abi/btf.ts";
export * as errno from "./abi/errno.ts";
export * as file from "./abi/file.ts";
export * as mount from "./abi/mount.ts";
export * as namespace from "./abi/namespace.ts";
export * as netfilter from "./abi/netfilter.ts";
export * as netlink from "./abi/netlink.ts";
export * as pidfd from "./abi/pidfd.ts";
export * as rtnetlink from "./abi/rtnetlink.ts";
export * as sockDiag from "./abi/sock-diag.ts";
export * as socket from "./abi/socket.ts";
