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
/** Numbers of ioctl(2) requests, <sys/ioccom.h>. */
export * as ioc from "../ioc.ts";
export { LibraryError } from "../library.ts";
/** Structs as the kernel lays them out, read from and written to bytes. */
export * as struct from "../struct.ts";
export { FieldError } from "../struct.ts";
export { type Call, type CallHook, onCall, printCalls } from "../trace.ts";
export { errnoTable } from "./abi/errno.ts";
/** Structs, constants and requests of FreeBSD, named as its headers name them. */
export * as abi from "./abi.ts";
/** bpf(4): packets of an interface, and who has an address there. */
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
/** devfs(5): its rulesets. */
export * as devfs from "./devfs.ts";
export { Fd, openDescriptors } from "./fd.ts";
/** Files by descriptor, with what Node does not offer: holes, attributes, links that are not followed. */
export * as file from "./file.ts";
/** Locks of whole files, flock(2). */
export * as flock from "./flock.ts";
/** Addresses of interfaces, SIOCAIFADDR and its like. */
export * as ifaddr from "./ifaddr.ts";
/** Interfaces with their addresses, getifaddrs(3). */
export * as ifaddrs from "./ifaddrs.ts";
/** Interfaces that are made and destroyed, SIOCIFCREATE2 and its like. */
export * as ifclone from "./ifclone.ts";
/** Groups of interfaces. */
export * as ifgroup from "./ifgroup.ts";
/** What an interface is called, described and flagged. */
export * as interfaces from "./interface.ts";
export type { IovPair } from "./iovec.ts";
/** Names and values as nmount(2) and jail_set(2) take them. */
export * as iovec from "./iovec.ts";
/** Jails, jail_set(2), jail_get(2), jail_remove(2). */
export * as jail from "./jail.ts";
export type {
  JailKey,
  JailParams,
  JailQuery,
  JailSys,
  JailTypes,
  JailValue,
  JailValues,
} from "./jail-encoding.ts";
/** All jails and all parameters of jails. */
export * as jailList from "./jail-list.ts";
/** Kernel modules, kldload(2). */
export * as kld from "./kld.ts";
/** Events of processes and jails, kqueue(2). */
export * as kqueue from "./kqueue.ts";
/** Processes started in a jail. */
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
/** nmount(2), unmount(2), getfsstat(2). */
export * as mount from "./mount.ts";
/** pf(4): rules, anchors, tables and states. */
export * as pf from "./pf/index.ts";
/** Processes, by sysctl(3). */
export * as proc from "./proc.ts";
/** Limits of resources, rctl(4). */
export * as rctl from "./rctl.ts";
/** Routes and neighbours. */
export * as route from "./route.ts";
/** Values of the kernel by name or number, sysctl(3). */
export * as sysctl from "./sysctl.ts";
/** TCP connections, and how they are dropped. */
export * as tcp from "./tcp.ts";
/** Datasets of ZFS: made, cloned, mounted, destroyed. */
export * as zfs from "./zfs.ts";
