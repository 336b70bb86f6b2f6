/**
 * FreeBSD's jails, network interfaces, packet filter, mounts and datasets by their system calls, for amd64 and other 64-bit little-endian machines:
 * FreeBSD 12.1 to 15.0. Verified by the headers of 14.2 and 15.0 and by recorded replies of a 12.1 kernel.
 *
 * Importing opens no library; the first call opens libc. What each call sends is made by the `encode` functions, which
 * are pure. Failures are SyscallErrors with FreeBSD's errno name and the kernel's own words.
 *
 * @example A jail with an address of its own on a new loopback interface.
 * ```ts
 * import { ifaddr, ifclone, isErrno, jail } from "klee/ffi/freebsd";
 *
 * const created = ifclone.createInterface("lo");
 * ifclone.renameInterface(created, "web0");
 * ifaddr.addAlias({ interface: "web0", address: "10.2.3.1" });
 * try {
 *   const jid = jail.jailSet({ path: "/jails/web", name: "web", persist: true, "ip4.addr": ["10.2.3.1"] }, "create");
 *   const { values } = jail.jailGet({ jid }, { name: "string", "ip4.addr": "ip4", persist: "bool" });
 *   console.log(`${values.name} has ${values["ip4.addr"].join(", ")}`);
 *   jail.jailRemove(jid);
 * } catch (error) {
 *   if (isErrno(error, "EEXIST")) console.error(error.kernelText);
 *   else throw error;
 * } finally {
 *   ifclone.destroyInterface("web0");
 * }
 * ```
 */

export type { CallDescription, Returned } from "../calls.ts";
export { isErrno, SyscallError } from "../errno.ts";
export * as inet from "../inet.ts";
export { AddressError } from "../inet.ts";
export * as ioc from "../ioc.ts";
export { LibraryError } from "../library.ts";
export * as struct from "../struct.ts";
export { FieldError } from "../struct.ts";
export { type Call, type CallHook, onCall, printCalls } from "../trace.ts";
export { errnoTable } from "./abi/errno.ts";
export * as abi from "./abi.ts";
export * as bpf from "./bpf.ts";
export {
  ControlSockets,
  type IoctlCall,
  type IoctlReply,
  interfaceIoctl,
  ioctlOn,
  openDevice,
  withControlSockets,
} from "./control.ts";
export * as devfs from "./devfs.ts";
export { Fd, openDescriptors } from "./fd.ts";
export * as file from "./file.ts";
export * as flock from "./flock.ts";
export * as ifaddr from "./ifaddr.ts";
export * as ifaddrs from "./ifaddrs.ts";
export * as ifclone from "./ifclone.ts";
export * as ifgroup from "./ifgroup.ts";
export * as interfaces from "./interface.ts";
export * as iovec from "./iovec.ts";
export * as jail from "./jail.ts";
export * as jailList from "./jail-list.ts";
export type {
  JailKey,
  JailParams,
  JailQuery,
  JailSys,
  JailTypes,
  JailValue,
  JailValues,
} from "./jail-params.ts";
export * as kld from "./kld.ts";
export * as kqueue from "./kqueue.ts";
export * as launch from "./launch.ts";
export {
  asyncFunction,
  asyncSyscall,
  type BoundFunction,
  boundFunctions,
  cFunction,
  errnoCall,
  type LibraryName,
  readCString,
  readMemory,
  syscall,
} from "./libc.ts";
export * as mount from "./mount.ts";
export * as pf from "./pf/index.ts";
export * as proc from "./proc.ts";
export * as rctl from "./rctl.ts";
export * as route from "./route.ts";
export * as sysctl from "./sysctl.ts";
export * as tcp from "./tcp.ts";
export * as zfs from "./zfs.ts";
