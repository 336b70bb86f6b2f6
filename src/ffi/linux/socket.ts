/** The functions of sockets, socket(7), and an owned descriptor of one. */
import type { CallDescription } from "../calls.ts";
import { SOCK_CLOEXEC, SOL_SOCKET } from "./abi/socket.ts";
import { Fd } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";

const socket = cFunction<[number, number, number], number>("int socket(int domain, int type, int protocol)");
const connectFunction = cFunction<[number, Uint8Array, number], number>(
  "int connect(int fd, void *addr, uint32_t len)",
);
const bindFunction = cFunction<[number, Uint8Array, number], number>("int bind(int fd, void *addr, uint32_t len)");
const setsockopt = cFunction<[number, number, number, Uint8Array, number], number>(
  "int setsockopt(int fd, int level, int optname, void *optval, uint32_t optlen)",
);
const getsockopt = cFunction<[number, number, number, Uint8Array, Uint8Array], number>(
  "int getsockopt(int fd, int level, int optname, void *optval, void *optlen)",
);
const sendFunction = cFunction<[number, Uint8Array, number, number], number>(
  "intptr_t send(int fd, void *buf, size_t n, int flags)",
);
const recvFunction = cFunction<[number, Uint8Array, number, number], number>(
  "intptr_t recv(int fd, void *buf, size_t n, int flags)",
);

/** Opens a socket, socket(2), which programs that are executed do not get. @throws {SyscallError} */
export function openSocket(object: string, domain: number, type: number, protocol: number): Fd {
  return Fd.of({ call: "socket", object }, () => socket(domain, type | SOCK_CLOEXEC, protocol));
}

/** connect(2) @throws {SyscallError} */
export function connect({ number, object }: Fd, address: Uint8Array): void {
  syscall({ call: "connect", object }, () => connectFunction(number, address, address.length));
}

/** bind(2) @throws {SyscallError} */
export function bind({ number, object }: Fd, address: Uint8Array): void {
  syscall({ call: "bind", object }, () => bindFunction(number, address, address.length));
}

/** send(2) @returns how many bytes were sent. @throws {SyscallError} */
export function send({ number, object }: Fd, data: Uint8Array, flags = 0): number {
  return syscall({ call: "send", object }, () => sendFunction(number, data, data.length, flags));
}

/** recv(2) @returns how many bytes there were. @throws {SyscallError} EAGAIN with MSG_DONTWAIT when nothing is there. */
export function receive({ number, object }: Fd, into: Uint8Array, flags = 0): number {
  return syscall({ call: "recv", object }, () => recvFunction(number, into, into.length, flags));
}

/** Sets an option, setsockopt(2). @throws {SyscallError} */
export function setOption({ number, object }: Fd, level: number, option: number, value: Uint8Array): void {
  syscall({ call: "setsockopt", object }, () => setsockopt(number, level, option, value, value.length));
}

/** Sets an option to an int, whether the kernel takes it or not, setsockopt(2). */
export function trySetOption(fd: Fd, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  setsockopt(fd.number, level, option, bytes, bytes.length);
}

/**
 * Reads an option of a socket itself, of SOL_SOCKET, getsockopt(2).
 *
 * @param size of its value, in bytes.
 * @throws {SyscallError}
 */
export function getOption(
  { number, object }: Fd,
  option: number,
  size: number,
  description: CallDescription = { call: "getsockopt", object },
): Buffer {
  const value = Buffer.alloc(size);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(size);
  syscall(description, () => getsockopt(number, SOL_SOCKET, option, value, length));
  return value;
}
