import type { Ioctl } from "../ioc.ts";
import { addressOf } from "../library.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR } from "./abi/fcntl.ts";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from "./abi/socket.ts";
import { Fd } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";

const socket = cFunction<[number, number, number], number>("int socket(int domain, int type, int protocol)");
const open = cFunction<[string, number], number>("int open(const char *path, int flags, ...)");
const ioctl = cFunction<[number, number, "void *", Buffer], number>("int ioctl(int fd, unsigned long request, ...)");

/** An ioctl with its argument, ready to be made. */
export interface IoctlCall {
  readonly ioctl: Ioctl;
  /** What it is about, for the trace and for errors. */
  readonly object: string;
  /** Address family of the socket to make it on; AF_INET unless told. */
  readonly family?: number;
  /** What the kernel reads, and may write its answer to. */
  readonly argument: Buffer;
  /** Memory that the argument points to, with the pointer's offset in the argument, in bytes. */
  readonly pointee?: { readonly at: number; readonly data: Buffer };
}

const NOTHING = Buffer.alloc(0);

/** What is in memory after an ioctl: the argument, and what it points to. */
export interface IoctlReply {
  readonly argument: Buffer;
  readonly pointee: Buffer;
}

/**
 * Makes an ioctl(2) on an open descriptor. Argument and pointee lie in one Buffer, which is alive during the call.
 *
 * @throws {SyscallError} named after the ioctl.
 */
export function ioctlOn(fd: Fd, call: IoctlCall): IoctlReply {
  const { argument, pointee } = call;
  if (pointee === undefined) {
    invoke(fd, call, argument);
    return { argument, pointee: NOTHING };
  }
  const memory = Buffer.concat([argument, pointee.data]);
  memory.writeBigUInt64LE(addressOf(memory) + BigInt(argument.length), pointee.at);
  invoke(fd, call, memory);
  return { argument: memory.subarray(0, argument.length), pointee: memory.subarray(argument.length) };
}

function invoke({ number }: Fd, call: IoctlCall, memory: Buffer): void {
  syscall({ call: call.ioctl.cName, object: call.object }, () => ioctl(number, call.ioctl.request, "void *", memory));
}

/** Sockets to make interfaces' ioctls on, one of each address family, opened when it is first used. Dispose of it after use. */
export class ControlSockets implements Disposable {
  readonly #sockets = new Map<number, Fd>();

  /** @throws {SyscallError} */
  of(family: number): Fd {
    const object = `family ${family}`;
    const fd =
      this.#sockets.get(family) ??
      Fd.of({ call: "socket", object }, () => socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), `socket of ${object}`);
    this.#sockets.set(family, fd);
    return fd;
  }

  /** Closes the sockets. */
  [Symbol.dispose](): void {
    for (const fd of this.#sockets.values()) fd.close();
    this.#sockets.clear();
  }
}

/** Those of {@link withControlSockets}; undefined outside of it. */
let shared: ControlSockets | undefined;

/**
 * Runs with one socket of each address family for all ioctls of interfaces that are made meanwhile.
 *
 * @param kept the caller's own, which stay open.
 */
export function withControlSockets<T>(work: () => T, kept?: ControlSockets): T {
  if (shared !== undefined) return work();
  using own = kept === undefined ? new ControlSockets() : undefined;
  shared = kept ?? own;
  try {
    return work();
  } finally {
    shared = undefined;
  }
}

/**
 * Makes an ioctl of a network interface, on a socket of its own outside of {@link withControlSockets}.
 *
 * @throws {SyscallError} ENXIO when there is no such interface.
 */
export function interfaceIoctl(call: IoctlCall): IoctlReply {
  const family = call.family ?? AF_INET;
  if (shared !== undefined) return ioctlOn(shared.of(family), call);
  using sockets = new ControlSockets();
  return ioctlOn(sockets.of(family), call);
}

/**
 * Opens a device or directory to make ioctls on, open(2).
 *
 * @throws {SyscallError} ENOENT when there is no such file (for a device: its driver is not loaded).
 */
export function openDevice(path: string, access: "read" | "write", waits?: "nonblocking"): Fd {
  const flags = (access === "read" ? O_RDONLY : O_RDWR) | O_CLOEXEC | (waits === undefined ? 0 : O_NONBLOCK);
  return Fd.of({ call: "open", object: path }, () => open(path, flags));
}
