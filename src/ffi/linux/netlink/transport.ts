import { NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK, sockaddr_nl } from "../abi/netlink.ts";
import {
  AF_NETLINK,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "../abi/socket.ts";
import type { Fd } from "../fd.ts";
import { connect, getOption, openSocket, receive, send, trySetOption } from "../socket.ts";
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
  let received = 0;
  const fd = openSocket(name, AF_NETLINK, SOCK_RAW, protocol).prepared((socket) => {
    // Connected to port 0, the kernel: no other process can send to this socket.
    connect(socket, sockaddr_nl.encode({ nl_family: AF_NETLINK }));
    // Older kernels and lesser privileges may lack any of these: each only makes the answers better.
    for (const option of [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK])
      trySetOption(socket, SOL_NETLINK, option, 1);
    trySetOption(socket, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    received = getOption(socket, SO_RCVBUF, 4).readInt32LE(0);
  });
  return new KernelTransport(fd, Math.max(1, Math.floor(received / ANSWER_COST)));
}

class KernelTransport implements NetlinkTransport {
  readonly batchLength: number;
  readonly #fd: Fd;

  constructor(fd: Fd, batchLength: number) {
    this.#fd = fd;
    this.batchLength = batchLength;
  }

  send(messages: Buffer): void {
    send(this.#fd, messages);
  }

  receive(): Buffer {
    const length = receive(this.#fd, datagram, MSG_DONTWAIT | MSG_TRUNC);
    if (length > datagram.length) throw new NetlinkFormatError(`netlink answer of ${length} bytes was cut off`);
    return datagram.subarray(0, length);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
