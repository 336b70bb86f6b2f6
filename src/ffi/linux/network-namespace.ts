import { constants, statSync } from "node:fs";
import { AF_NETLINK, SO_NETNS_COOKIE, SOCK_RAW } from "./abi/socket.ts";
import { type Fd, openFile } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";
import { getOption, openSocket } from "./socket.ts";

const unshareFunction = cFunction<[number], number>("int unshare(int flags)");

const OWN = "/proc/self/ns/net";

/** Opens this process's network namespace, namespaces(7). */
export function openNetworkNamespace(): Fd {
  return openFile(OWN, constants.O_RDONLY, 0, "network namespace");
}

/** Inode number of this process's network namespace; used again once the namespace has gone. */
export function networkNamespaceInode(): number {
  return statSync(OWN).ino;
}

/** Number of this process's network namespace, never used again, SO_NETNS_COOKIE of socket(7) (Linux 5.14). */
export function networkNamespaceCookie(): bigint {
  using probe = openSocket("AF_NETLINK", AF_NETLINK, SOCK_RAW, 0);
  const asked = { call: "getsockopt", object: "SO_NETNS_COOKIE" };
  return getOption(probe, SO_NETNS_COOKIE, 8, asked).readBigUInt64LE();
}

/**
 * Gives the calling thread namespaces of its own, unshare(2).
 *
 * @param flags `CLONE_NEW*`.
 * @param object which ones, for errors and the trace.
 * @throws {SyscallError} EPERM without CAP_SYS_ADMIN.
 */
export function unshare(flags: number, object: string): void {
  syscall({ call: "unshare", object }, () => unshareFunction(flags));
}
