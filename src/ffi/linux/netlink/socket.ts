import type { SyscallError } from "../../errno.ts";
import { Backoff } from "../../retry.ts";
import { traceCall, traceStart, tracing } from "../../trace.ts";
import { NETLINK_NETFILTER } from "../abi/netfilter.ts";
import {
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "../abi/netlink.ts";
import { errnoName, syscallError, usleep } from "../libc.ts";
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  endsDump,
  isSuccess,
  type Message,
  messageSize,
  writeMessage,
} from "./message.ts";
import { type NetlinkTransport, openTransport } from "./transport.ts";

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

/** Some requests of a batch were refused; the others were carried out. Its message is that of the first refusal. */
export class BatchError extends Error {
  override readonly name = "BatchError";
  /** For each request in order its error, or undefined. */
  readonly errors: readonly (SyscallError | undefined)[];

  constructor(errors: readonly (SyscallError | undefined)[]) {
    const refused = errors.filter((error) => error !== undefined);
    const others = refused.length > 1 ? ` (and ${refused.length - 1} more of ${errors.length})` : "";
    super(`${refused[0]?.message ?? ""}${others}`, { cause: refused[0] });
    this.errors = errors;
  }
}

/** Of a request that the kernel carried out without a word. */
const SUCCESS: Outcome = { error: undefined, replies: [] };
const EAGAIN = 11;
/** How long a dump is tried again that changes disturb. */
const DUMP_LIMIT_MS = 3000;
/** The kernel refuses what exceeds the send buffer, 208 KiB by default. */
const BATCH_BYTES = 64 * 1024;

/** Requests and answers over a netlink socket, netlink(7). Every operation is synchronous, as the kernel's are. */
export class NetlinkSocket implements Disposable {
  readonly #transport: NetlinkTransport;
  #sequence = 0;

  /** @param transport this object's from here on. */
  constructor(transport: NetlinkTransport) {
    this.#transport = transport;
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  /**
   * Sends one request and waits for its ACK.
   *
   * @returns the messages it was answered with, for a request that reads.
   * @throws {SyscallError} with the kernel's own words.
   */
  request(request: Request): readonly Message[] {
    const [outcome] = this.#transact([request]);
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
    for (let from = 0; from < requests.length; ) {
      const to = this.#endOfPart(requests, from);
      if (from === 0 && to === requests.length) return this.#transact(requests);
      outcomes.push(...this.#transact(requests.slice(from, to)));
      from = to;
    }
    return outcomes;
  }

  /**
   * As `batch`, for requests that read nothing.
   *
   * @throws {BatchError} when some were refused.
   * @throws {SyscallError} when sending or receiving fails as such.
   */
  batchAll(requests: readonly Request[]): void {
    const errors = this.batch(requests).map(({ error }) => error);
    if (errors.some((error) => error !== undefined)) throw new BatchError(errors);
  }

  /**
   * Sends requests that the kernel carries out all together or not at all, between the two that begin and end a batch of
   * nfnetlink.
   *
   * @throws {SyscallError} of the first request that was refused; nothing was changed then.
   */
  transaction(begin: Request, requests: readonly Request[], end: Request): void {
    // Only newer kernels acknowledge the end, so that the last request does: its answer comes after the batch is done.
    const outcomes = this.#transact([begin, ...requests, end], requests.length);
    const error = outcomes.find((outcome) => outcome.error !== undefined)?.error;
    if (error !== undefined) throw error;
  }

  /** Where the requests end that can be sent together with the one at `from`. */
  #endOfPart(requests: readonly Request[], from: number): number {
    const limit = Math.min(requests.length, from + this.#transport.batchLength);
    let bytes = requests[from]?.body.length ?? 0;
    let to = from + 1;
    for (; to < limit; to++) {
      bytes += requests[to]?.body.length ?? 0;
      if (bytes > BATCH_BYTES) break;
    }
    return to;
  }

  /**
   * Reads all objects that match a request. A dump that the kernel marks as inconsistent, because something changed
   * while it ran, is taken again.
   *
   * @throws {SyscallError} EAGAIN when the objects never stop changing.
   */
  dump(request: Request): Message[] {
    const startedAt = traceStart();
    const backoff = new Backoff(DUMP_LIMIT_MS, usleep);
    for (;;) {
      const messages = this.#dumpOnce(request, startedAt);
      if (messages !== undefined) {
        traceCall(request.call, request.object, messages.length, startedAt);
        return messages;
      }
      if (!backoff.pause()) throw report(request, EAGAIN, "the objects kept changing while they were read", startedAt);
    }
  }

  /** @returns undefined when the kernel says that something changed meanwhile. */
  #dumpOnce(request: Request, startedAt: bigint): Message[] | undefined {
    const found: Message[] = [];
    let consistent = true;
    for (const message of this.#receiveDump(request)) {
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) consistent = false;
      if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
        found.push(message);
        continue;
      }
      const { errno, text } = decodeAcknowledgement(message);
      if (errno !== 0) throw report(request, errno, text, startedAt);
    }
    return consistent ? found : undefined;
  }

  /** Its last message tells how it ended. Decoded when all is there: each recv(2) has the kernel go on with the dump. */
  #receiveDump(request: Request): Message[] {
    const sequence = this.#nextSequence();
    const flags = request.flags | NLM_F_REQUEST | NLM_F_DUMP;
    this.#transport.send(encodeMessage(request.type, flags, sequence, request.body));
    const parts: Buffer[] = [];
    let part: Buffer;
    do {
      part = Buffer.from(this.#transport.receive());
      parts.push(part);
    } while (!endsDump(part, sequence));
    return parts.flatMap(decodeMessages).filter((message) => message.sequence === sequence);
  }

  /** @param asked index of the one that asks for an ACK. */
  #transact(requests: readonly Request[], asked = requests.length - 1): Outcome[] {
    const startedAt = traceStart();
    const first = this.#sequence + 1;
    this.#transport.send(this.#encode(requests, asked));
    const outcomes = requests.map(() => SUCCESS);
    for (let answered = false; !answered; ) answered = this.#receiveAnswers(requests, first, asked, outcomes);
    if (tracing())
      for (const [index, { error }] of outcomes.entries())
        traceCall(requests[index]?.call ?? "", requests[index]?.object ?? "", error?.code ?? 0, startedAt);
    return outcomes;
  }

  #encode(requests: readonly Request[], asked: number): Buffer {
    let size = 0;
    for (const { body } of requests) size += messageSize(body);
    const data = Buffer.allocUnsafe(size);
    let end = 0;
    for (const [index, { type, flags, body }] of requests.entries()) {
      const all = flags | NLM_F_REQUEST | (index === asked ? NLM_F_ACK : 0);
      end = writeMessage(data, end, type, all, this.#nextSequence(), body);
    }
    return data;
  }

  /** @returns true when the request that asked has its answer, and with it all the others. */
  #receiveAnswers(requests: readonly Request[], first: number, asked: number, outcomes: Outcome[]): boolean {
    const data = this.#transport.receive();
    if (isSuccess(data, first + asked)) return true;
    let answered = false;
    for (const message of decodeMessages(Buffer.from(data))) {
      const index = message.sequence - first;
      const outcome = outcomes[index];
      const request = requests[index];
      if (outcome === undefined || request === undefined) continue;
      if (message.type !== NLMSG_ERROR) {
        outcomes[index] = { ...outcome, replies: [...outcome.replies, message] };
        continue;
      }
      const { errno, text } = decodeAcknowledgement(message);
      if (errno !== 0) outcomes[index] = { ...outcome, error: syscallError(request.call, request.object, errno, text) };
      // What begins a transaction is answered only when that is refused as a whole, and nothing else is then.
      if (index === asked || (index === 0 && asked < requests.length - 1)) answered = true;
    }
    return answered;
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}

/** Opens a socket for links, addresses and routes, rtnetlink(7). @throws {SyscallError} */
export function openRtnetlink(): NetlinkSocket {
  return new NetlinkSocket(openTransport(NETLINK_ROUTE, "rtnetlink"));
}

/** Opens a socket for connection tracking and nftables, nfnetlink. @throws {SyscallError} */
export function openNetfilter(): NetlinkSocket {
  return new NetlinkSocket(openTransport(NETLINK_NETFILTER, "nfnetlink"));
}

function report(request: Request, errno: number, text: string | undefined, startedAt: bigint): SyscallError {
  traceCall(request.call, request.object, errnoName(errno), startedAt);
  return syscallError(request.call, request.object, errno, text);
}
