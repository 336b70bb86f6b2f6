import { constants, statSync } from "node:fs";
import { constants as file } from "./abi/file.ts";
import { constants as socket } from "./abi/socket.ts";
import { Fd } from "./fd.ts";
import { call, libc } from "./libc.ts";

/** <asm-generic/socket.h> */
export const SO_NETNS_COOKIE = 71;

const OWN = "/proc/self/ns/net";

/** Opens this process's network namespace, namespaces(7). */
export function openNetworkNamespace(): Fd {
  return new Fd(
    call("open", OWN, () => libc.open(OWN, constants.O_RDONLY | file.O_CLOEXEC, "int", 0)),
    "network namespace",
  );
}

/** Inode number of this process's network namespace; used again once the namespace has gone. */
export function networkNamespaceInode(): number {
  return statSync(OWN).ino;
}

/** Number of this process's network namespace, never used again, SO_NETNS_COOKIE of socket(7) (Linux 5.14). */
export function networkNamespaceCookie(): bigint {
  using probe = new Fd(
    call("socket", "AF_NETLINK", () => libc.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)),
    "AF_NETLINK",
  );
  const value = Buffer.alloc(8);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  call("getsockopt", "SO_NETNS_COOKIE", () =>
    libc.getsockopt(probe.number, socket.SOL_SOCKET, SO_NETNS_COOKIE, value, length),
  );
  return value.readBigUInt64LE();
}
