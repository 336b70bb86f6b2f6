import type { SyscallError } from "../../errno.ts";
import { traceCall, traceStart, tracing } from "../../trace.ts";
import { constants as nl, sockaddr_nl } from "../abi/netlink.ts";
import { constants as so } from "../abi/socket.ts";
import { Fd } from "../fd.ts";
import { call, errnoName, libc, syscallError } from "../libc.ts";
import { decodeAcknowledgement, decodeMessages, encodeMessage, type Message, NetlinkFormatError } from "./message.ts";

/** A message to send. */
export interface Request {
  /** Its type's name and what it is about, for the error and the trace. */
  readonly call: string;
  readonly object: string;
  readonly type: number;
  /** Beside NLM_F_REQUEST and NLM_F_ACK. */
  readonly flags: number;
  readonly body: Buffer;
}

/** What became of one request of a batch. */
export interface Outcome {
  readonly error: SyscallError | undefined;
  /** The messages it was answered with, for a request that reads. */
  readonly replies: readonly Message[];
}

const EAGAIN = 11;
const DUMP_ATTEMPTS = 10;
/** What the socket asks for as its receive buffer, in bytes; the kernel doubles it. */
const RECEIVE_BUFFER = 1 << 20;
/** Buffer space that one queued answer may take at most: the kernel counts its own overhead too. */
const ANSWER_COST = 2048;
/** The kernel refuses what exceeds the send buffer, 208 KiB by default. */
const BATCH_BYTES = 64 * 1024;
/** The kernel never sends more than 32 KiB of a dump at once. */
const receiveBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** A netlink socket that talks to the kernel alone, netlink(7). Every operation is synchronous, as the kernel's are. */
export class NetlinkSocket implements Disposable {
  readonly #fd: Fd;
  readonly #batchLength: number;
  #sequence = 0;

  /**
   * @param protocol `NETLINK_*`.
   * @throws {SyscallError}
   */
  constructor(protocol: number, name: string) {
    const type = so.SOCK_RAW | so.SOCK_CLOEXEC;
    this.#fd = new Fd(
      call("socket", name, () => libc.socket(so.AF_NETLINK, type, protocol)),
      name,
    );
    try {
      // Connected to port 0, the kernel: no other process can send to this socket.
      const kernel = sockaddr_nl.encode({ nl_family: so.AF_NETLINK });
      call("connect", name, () => libc.connect(this.#fd.number, kernel, kernel.length));
      this.#trySet(so.SOL_NETLINK, nl.NETLINK_EXT_ACK, 1);
      this.#trySet(so.SOL_NETLINK, nl.NETLINK_CAP_ACK, 1);
      this.#trySet(so.SOL_NETLINK, nl.NETLINK_GET_STRICT_CHK, 1);
      this.#trySet(so.SOL_SOCKET, so.SO_RCVBUFFORCE, RECEIVE_BUFFER);
      this.#batchLength = Math.max(1, Math.floor(this.#receiveBufferSize() / ANSWER_COST));
    } catch (error) {
      this.#fd.close();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }

  /**
   * Sends one request and waits for its ACK.
   *
   * @returns the messages it was answered with, for a request that reads.
   * @throws {SyscallError} with the kernel's own words.
   */
  request(request: Request): readonly Message[] {
    const [outcome] = this.batch([request]);
    if (outcome?.error) throw outcome.error;
    return outcome?.replies ?? [];
  }

  /**
   * Sends any number of requests. The kernel carries out each, also after one that failed; only the last asks for an
   * ACK, so that success costs no answers.
   *
   * @returns one outcome for each request, in order.
   * @throws {SyscallError} when sending or receiving fails as such.
   */
  batch(requests: readonly Request[]): Outcome[] {
    const outcomes: Outcome[] = [];
    let part: Request[] = [];
    let bytes = 0;
    for (const request of requests) {
      if (part.length === this.#batchLength || (part.length > 0 && bytes + request.body.length > BATCH_BYTES)) {
        outcomes.push(...this.#transact(part));
        part = [];
        bytes = 0;
      }
      part.push(request);
      bytes += request.body.length;
    }
    if (part.length > 0) outcomes.push(...this.#transact(part));
    return outcomes;
  }

  /**
   * Reads all objects that match a request. A dump that the kernel marks as inconsistent, because something changed
   * while it ran, is taken again.
   *
   * @throws {SyscallError}
   */
  dump(request: Request): Message[] {
    const startedAt = traceStart();
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const messages = this.#dumpOnce(request, startedAt);
      if (messages === undefined) continue;
      traceCall(request.call, request.object, messages.length, startedAt);
      return messages;
    }
    throw report(request, EAGAIN, "the objects kept changing while they were read", startedAt);
  }

  #dumpOnce(request: Request, startedAt: bigint): Message[] | undefined {
    const sequence = this.#nextSequence();
    const flags = request.flags | nl.NLM_F_REQUEST | nl.NLM_F_DUMP;
    this.#send(encodeMessage(request.type, flags, sequence, request.body));
    const found: Message[] = [];
    let consistent = true;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & nl.NLM_F_DUMP_INTR) !== 0) consistent = false;
        if (message.type !== nl.NLMSG_DONE && message.type !== nl.NLMSG_ERROR) {
          found.push(message);
          continue;
        }
        const { errno, text } = decodeAcknowledgement(message);
        if (errno !== 0) throw report(request, errno, text, startedAt);
        return consistent ? found : undefined;
      }
    }
  }

  #transact(requests: readonly Request[]): Outcome[] {
    const startedAt = traceStart();
    const first = this.#sequence + 1;
    const data = requests.map((request, index) => {
      const acknowledge = index === requests.length - 1 ? nl.NLM_F_ACK : 0;
      const flags = request.flags | nl.NLM_F_REQUEST | acknowledge;
      return encodeMessage(request.type, flags, this.#nextSequence(), request.body);
    });
    this.#send(Buffer.concat(data));
    const outcomes = requests.map(() => ({ error: undefined as SyscallError | undefined, replies: [] as Message[] }));
    for (let pending = true; pending; ) {
      for (const message of this.#receive()) {
        const index = message.sequence - first;
        const outcome = outcomes[index];
        const request = requests[index];
        if (outcome === undefined || request === undefined) continue;
        if (message.type !== nl.NLMSG_ERROR) {
          outcome.replies.push(message);
          continue;
        }
        const { errno, text } = decodeAcknowledgement(message);
        if (errno !== 0) outcome.error = syscallError(request.call, request.object, errno, text);
        if (index === requests.length - 1) pending = false;
      }
    }
    if (tracing())
      for (const [index, { error }] of outcomes.entries())
        traceCall(requests[index]?.call ?? "", requests[index]?.object ?? "", error?.code ?? 0, startedAt);
    return outcomes;
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  #send(data: Buffer): void {
    call("send", this.#fd.object, () => libc.send(this.#fd.number, data, data.length, 0));
  }

  /** One datagram. The kernel has queued its answers before send returns: an empty queue is an error, not a wait. */
  #receive(): Message[] {
    const flags = so.MSG_DONTWAIT | so.MSG_TRUNC;
    const length = call("recv", this.#fd.object, () =>
      libc.recv(this.#fd.number, receiveBuffer, receiveBuffer.length, flags),
    );
    if (length > receiveBuffer.length) throw new NetlinkFormatError(`netlink answer of ${length} bytes was cut off`);
    return decodeMessages(Buffer.from(receiveBuffer.subarray(0, length)));
  }

  /** Sets an option that older kernels and lesser privileges may lack: each only makes answers better. */
  #trySet(level: number, option: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    libc.setsockopt(this.#fd.number, level, option, bytes, bytes.length);
  }

  #receiveBufferSize(): number {
    const value = Buffer.alloc(4);
    const length = Buffer.from([4, 0, 0, 0]);
    call("getsockopt", this.#fd.object, () =>
      libc.getsockopt(this.#fd.number, so.SOL_SOCKET, so.SO_RCVBUF, value, length),
    );
    return value.readInt32LE(0);
  }
}

/** Opens a socket for links, addresses and routes, rtnetlink(7). */
export function openRtnetlink(): NetlinkSocket {
  return new NetlinkSocket(nl.NETLINK_ROUTE, "rtnetlink");
}

function report(request: Request, errno: number, text: string | undefined, startedAt: bigint): SyscallError {
  traceCall(request.call, request.object, errnoName(errno), startedAt);
  return syscallError(request.call, request.object, errno, text);
}
