/**
 * Queues of events, kqueue(2): to wait for the end of processes and jails without looking again and again. What a filter,
 * its flags and its data mean is told by kqueue(2); their names are those of sys/event.h, `abi.event`, `abi.event15`.
 *
 * @example Waits for the end of a jail, FreeBSD 15.
 * ```ts
 * using queue = new kqueue.Kqueue();
 * queue.change(kqueue.jailRemoval(jid));
 * await queue.wait();
 * ```
 */
import { monotonicMilliseconds } from "../../clock.ts";
import { waitReadable } from "../native.ts";
import { timespec } from "./abi/directory.ts";
import { EV_ADD, EVFILT_PROC, EVFILT_PROCDESC, kevent as keventStruct, NOTE_EXIT } from "./abi/event.ts";
import { EVFILT_JAIL, EVFILT_JAILDESC, NOTE_JAIL_REMOVE } from "./abi/event15.ts";
import { F_SETFD, FD_CLOEXEC } from "./abi/fcntl.ts";
import { Fd } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";

const kqueue = cFunction<[], number>("int kqueue(void)");
const kevent = cFunction<[number, Buffer | null, number, Buffer | null, number, Buffer | null], number>(
  "int kevent(int kq, const void *changelist, int nchanges, void *eventlist, int nevents, const void *timeout)",
);
const fcntl = cFunction<[number, number, "int", number], number>("int fcntl(int fd, int cmd, ...)");

/** Events that are taken out of a queue at once. */
const EVENTS = 64;

/** An event to wait for, or no longer. */
export interface KeventChange {
  /** Number of a process, a jail or a descriptor, as the filter has it. */
  readonly ident: number;
  /** EVFILT_* */
  readonly filter: number;
  /** EV_* */
  readonly flags: number;
  /** NOTE_* */
  readonly fflags?: number;
  readonly data?: bigint;
  /** Comes back with the event. */
  readonly udata?: bigint;
}

/** An event that has come. */
export type Kevent = Required<KeventChange>;

/** The changes as the call takes them: an array of `struct kevent`. */
export function encodeChanges(changes: readonly KeventChange[]): Buffer {
  return Buffer.concat(changes.map((change) => keventStruct.encode({ ...change, ident: BigInt(change.ident) })));
}

/** Reads an array of `struct kevent`. */
export function decodeEvents(bytes: Buffer): Kevent[] {
  return Array.from({ length: Math.floor(bytes.length / keventStruct.size) }, (_, index) => {
    const { ident, filter, flags, fflags, data, udata } = keventStruct.decode(bytes, index * keventStruct.size);
    return { ident: Number(ident), filter, flags, fflags, data, udata };
  });
}

/** A queue of events, which programs that are executed do not get. Dispose of it after use. */
export class Kqueue implements Disposable {
  readonly #fd: Fd;

  /** kqueue(2). @throws {SyscallError} EMFILE, ENOMEM. */
  constructor() {
    this.#fd = Fd.of({ call: "kqueue", object: "" }, kqueue, "queue of events").prepared(({ number, object }) => {
      syscall({ call: "fcntl(F_SETFD)", object }, () => fcntl(number, F_SETFD, "int", FD_CLOEXEC));
    });
  }

  /** Closes the queue. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }

  /**
   * Waits for these events as well, or no longer, kevent(2). Those before one that fails are taken.
   *
   * @throws {SyscallError} ESRCH and ENOENT when there is no such process, jail, or event to delete; EBADF; EINVAL for a
   * filter that the kernel lacks.
   */
  change(...changes: readonly KeventChange[]): void {
    const encoded = encodeChanges(changes);
    const object = changes.map(({ filter, ident }) => `${filterNames[filter] ?? filter} ${ident}`).join(" ");
    syscall({ call: "kevent", object }, () => kevent(this.#fd.number, encoded, changes.length, null, 0, null));
  }

  /** The events that have come, without waiting, kevent(2). @throws {SyscallError} */
  events(): Kevent[] {
    const room = Buffer.alloc(EVENTS * keventStruct.size);
    const now = Buffer.alloc(timespec.size);
    const count = syscall({ call: "kevent", object: "" }, () => kevent(this.#fd.number, null, 0, room, EVENTS, now));
    return decodeEvents(room.subarray(0, count * keventStruct.size));
  }

  /**
   * Waits until events have come; the event loop goes on meanwhile, and Node stays alive. poll(2) on a thread of its own.
   *
   * @param timeoutMs how long, in milliseconds; without an end unless told.
   * @returns none when there are none after that time.
   * @throws {SyscallError}
   */
  async wait(timeoutMs = Number.POSITIVE_INFINITY): Promise<Kevent[]> {
    const deadline = monotonicMilliseconds() + timeoutMs;
    for (;;) {
      const readable = await waitReadable(this.#fd, deadline - monotonicMilliseconds());
      const events = this.events();
      // Else another waiter has taken them.
      if (events.length > 0 || !readable) return events;
    }
  }
}

const filterNames: Readonly<Record<number, string>> = {
  [EVFILT_PROC]: "process",
  [EVFILT_PROCDESC]: "process descriptor",
  [EVFILT_JAIL]: "jail",
  [EVFILT_JAILDESC]: "jail descriptor",
};

/** The end of a process, once: `data` is its status, as wait(2) has it. ESRCH when there is none. */
export const processExit = (pid: number): KeventChange => ({
  ident: pid,
  filter: EVFILT_PROC,
  flags: EV_ADD,
  fflags: NOTE_EXIT,
});

/** The same by a descriptor that pdfork(2) gave, which names this process for ever. */
export const processDescriptorExit = ({ number }: Pick<Fd, "number">): KeventChange => ({
  ident: number,
  filter: EVFILT_PROCDESC,
  flags: EV_ADD,
  fflags: NOTE_EXIT,
});

/** The end of a jail, once, from FreeBSD 15 on. Its last processes may still be ending. ENOENT when there is none. */
export const jailRemoval = (jid: number): KeventChange => ({
  ident: jid,
  filter: EVFILT_JAIL,
  flags: EV_ADD,
  fflags: NOTE_JAIL_REMOVE,
});

/** The same by a descriptor of the jail, which names this jail for ever: it is told of also if it has ended. */
export const jailDescriptorRemoval = ({ number }: Pick<Fd, "number">): KeventChange => ({
  ident: number,
  filter: EVFILT_JAILDESC,
  flags: EV_ADD,
  fflags: NOTE_JAIL_REMOVE,
});
