import { appendFileSync, ftruncateSync, readFileSync, readSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { epochMicroseconds, monotonicMilliseconds } from "../clock.ts";
import { KleeError } from "./errors.ts";
import type { Host, HostLock } from "./host/host.ts";

/**
 * Locks on files, with bounded waits that name the holder (docs/decisions/0018-locks-of-those-that-stand-still.md). The
 * holder writes who it is into the file. A waiter tries the lock again and again, and reads there whether the holder is
 * alive, and whether it is stopped.
 */

/** How long to wait for one holder, in milliseconds: while it runs, and while it is stopped. */
export interface LockTimeouts {
  readonly workingMs: number;
  readonly stoppedMs: number;
}

/** Takes a free lock, or fails at once. */
export const NO_WAIT: LockTimeouts = { workingMs: 0, stoppedMs: 0 };

export interface LockRequest extends LockTimeouts {
  readonly path: string;
  /** What the lock is on, for messages. */
  readonly of: string;
  /** False: a file that is not there is not made. Default true. */
  readonly make?: boolean;
  /** Continue a stopped holder, by SIGCONT, until it releases the lock? For locks that all commands need. Default false. */
  readonly wake?: boolean;
}

/** The holder kept the lock for longer than the timeout. */
export class LockHeld extends KleeError {
  constructor(message: string) {
    super("CONFLICT", message);
  }
}

/** First and longest pause between two tries, in milliseconds. */
const FIRST_PAUSE_MS = 1;
const LAST_PAUSE_MS = 25;
/** A holder is not examined before this time, in milliseconds: most release the lock at once. */
const SHORT_MS = 40;
const NOTE_BYTES = 4096;

type LockingHost = Pick<Host, "tryLock" | "processIdentity" | "isStopped" | "resumeProcess" | "lockHolders">;

/**
 * Waits for a lock. Disposing releases it, and so does the end of the process.
 * @returns undefined when there is no such file and `make` is false.
 * @throws {LockHeld} naming the holder.
 */
export async function acquire(host: LockingHost, request: LockRequest): Promise<Disposable | undefined> {
  const { path, workingMs, stoppedMs, make = true, wake = false } = request;
  // Asked first: if it fails, no lock is left behind.
  const own = host.processIdentity();
  let seen: string | undefined;
  let since = 0;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LAST_PAUSE_MS)) {
    const begun = epochMicroseconds();
    const lock = host.tryLock(path, make);
    if (lock === "absent") return undefined;
    if (lock !== "held") return held(lock, own, begun);
    const note = readNote(path);
    const now = monotonicMilliseconds();
    // The wait for another holder, or for the same one that took the lock again, starts from zero.
    if (note !== seen) [seen, since] = [note, now];
    const waited = now - since;
    const [noted = "", , ...command] = note.split(" ");
    // A holder writes its note just after it took the lock, and erases it just before the release.
    const identity = noted || (waited >= SHORT_MS && host.lockHolders?.(path)[0]) || "";
    const waitsForNobody = workingMs === 0 && stoppedMs === 0;
    if (waited >= SHORT_MS || waitsForNobody) {
      const stopped = !waitsForNobody && identity !== "" && host.isStopped(identity);
      if (waited >= (stopped ? stoppedMs : workingMs))
        throw new LockHeld(complaint(request, identity, command.join(" "), stopped, waited));
      if (stopped && wake) resume(host, path, identity);
    }
    await setTimeout(pause * (0.5 + Math.random()));
  }
}

/** @param begun when the lock was asked for: since then waiters may have continued this process to get it. */
function held(lock: HostLock, identity: string, begun: number): Disposable {
  const isResumed = (): boolean =>
    readBack(lock.number)
      .split("\n")
      .map((line) => line.split(" "))
      .some(([word, whom, when]) => word === RESUMED && whom === identity && Number(when) >= begun);
  let resumed = isResumed();
  writeNote(lock.number, `${identity} ${epochMicroseconds()} ${ownCommand()}\n`);
  return {
    [Symbol.dispose]() {
      resumed ||= isResumed();
      writeNote(lock.number, "");
      resumed ||= isResumed();
      lock[Symbol.dispose]();
      // Only a waiter continued this process: stop again.
      if (resumed) process.kill(process.pid, "SIGSTOP");
    },
  };
}

const RESUMED = "resumed";

/** Notes it in the file before the signal, so that the holder knows, when it releases the lock, to stop again. */
function resume(host: LockingHost, path: string, identity: string): void {
  try {
    appendFileSync(path, `\n${RESUMED} ${identity} ${epochMicroseconds()}\n`);
    host.resumeProcess(identity);
  } catch {
    // The file, or the process, has gone meanwhile.
  }
}

/** What the holder wrote of itself. Supervisors write nothing. */
function readNote(path: string): string {
  try {
    return readFileSync(path, "utf8").split("\n")[0] ?? "";
  } catch {
    return "";
  }
}

function readBack(fd: number): string {
  const bytes = Buffer.alloc(NOTE_BYTES);
  try {
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, NOTE_BYTES, 0));
  } catch {
    return "";
  }
}

/** Best effort: a lock is valid without its note, so a full disk stops nobody. */
function writeNote(fd: number, note: string): void {
  try {
    ftruncateSync(fd, 0);
    if (note !== "") writeSync(fd, note, 0);
  } catch {
    // Then waiters cannot name this process.
  }
}

/** The names of the program and its command; arguments may be secret. */
function ownCommand(): string {
  const words = process.argv
    .slice(2)
    .filter((word, index, all) => !word.startsWith("-") && all[index - 1] !== "--root");
  const command = words.slice(0, 2).filter((word) => /^[a-z-]{1,20}$/.test(word));
  return [basename(process.argv[1] ?? process.argv0).replace(/\.[a-z]+$/, ""), ...command].join(" ");
}

function complaint({ of }: LockRequest, identity: string, command: string, stopped: boolean, waited: number): string {
  const pid = identity.split(":")[0];
  const time = `for ${Math.round(waited / 1000)} s`;
  if (!pid) return `${of} is being changed by another process, ${time}; try again`;
  const who = `${of} is being changed by process ${pid} ('${command}') ${time}`;
  return stopped
    ? `${who}, which is stopped: continue it with 'kill -CONT ${pid}', or end it with 'kill -KILL ${pid}'`
    : `${who}: wait for it, or end it with 'kill -TERM ${pid}'`;
}
