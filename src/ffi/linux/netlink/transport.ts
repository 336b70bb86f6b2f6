import { constants as nl, sockaddr_nl } from "../abi/netlink.ts";
import { constants as so } from "../abi/socket.ts";
import { Fd } from "../fd.ts";
import { call, libc } from "../libc.ts";
import { NetlinkFormatError } from "./message.ts";

/** Carries bytes to the kernel and back. */
export interface NetlinkTransport extends Disposable {
  /** How many requests may be sent at once without their answers overflowing the receive buffer. */
  readonly batchLength: number;
  /** Sends messages; their answers wait to be received when it returns. */
  send(messages: Buffer): void;
  /**
   * The next datagram: one or more messages, in memory that the next one may take. An empty queue is an error, not a
   * wait.
   */
  receive(): Buffer;
}

/** What the socket asks for as its receive buffer, in bytes; the kernel doubles it. */
const RECEIVE_BUFFER = 1 << 20;
/** Receive buffer that one queued answer may take at most, in bytes: the kernel counts its own overhead too. */
const ANSWER_COST = 2048;
/** The kernel never sends more than 32 KiB of a dump at once. */
const datagram = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Opens a netlink socket that talks to the kernel alone.
 *
 * @param protocol `NETLINK_*`.
 * @param name the protocol's name, for errors and the trace.
 * @throws {SyscallError}
 */
export function openTransport(protocol: number, name: string): NetlinkTransport {
  const type = so.SOCK_RAW | so.SOCK_CLOEXEC;
  const fd = new Fd(
    call("socket", name, () => libc.socket(so.AF_NETLINK, type, protocol)),
    name,
  );
  try {
    // Connected to port 0, the kernel: no other process can send to this socket.
    const kernel = sockaddr_nl.encode({ nl_family: so.AF_NETLINK });
    call("connect", name, () => libc.connect(fd.number, kernel, kernel.length));
    // Older kernels and lesser privileges may lack any of these: each only makes the answers better.
    for (const option of [nl.NETLINK_EXT_ACK, nl.NETLINK_CAP_ACK, nl.NETLINK_GET_STRICT_CHK])
      trySet(fd, so.SOL_NETLINK, option, 1);
    trySet(fd, so.SOL_SOCKET, so.SO_RCVBUFFORCE, RECEIVE_BUFFER);
    return new KernelTransport(fd, Math.max(1, Math.floor(receiveBufferSize(fd) / ANSWER_COST)));
  } catch (error) {
    fd.close();
    throw error;
  }
}

class KernelTransport implements NetlinkTransport {
  readonly batchLength: number;
  readonly #fd: Fd;

  constructor(fd: Fd, batchLength: number) {
    this.#fd = fd;
    this.batchLength = batchLength;
  }

  send(messages: Buffer): void {
    call("send", this.#fd.object, () => libc.send(this.#fd.number, messages, messages.length, 0));
  }

  receive(): Buffer {
    const flags = so.MSG_DONTWAIT | so.MSG_TRUNC;
    const length = call("recv", this.#fd.object, () => libc.recv(this.#fd.number, datagram, datagram.length, flags));
    if (length > datagram.length) throw new NetlinkFormatError(`netlink answer of ${length} bytes was cut off`);
    return datagram.subarray(0, length);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

function trySet(fd: Fd, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  libc.setsockopt(fd.number, level, option, bytes, bytes.length);
}

function receiveBufferSize(fd: Fd): number {
  const value = Buffer.alloc(4);
  const length = Buffer.from([4, 0, 0, 0]);
  call("getsockopt", fd.object, () => libc.getsockopt(fd.number, so.SOL_SOCKET, so.SO_RCVBUF, value, length));
  return value.readInt32LE(0);
}
