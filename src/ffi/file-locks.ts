import { fstatSync, statSync } from "node:fs";
import type { OwnedFd } from "./fd.ts";

/**
 * Locks that may wait on pool threads at once. The pool has four by default, and the holders of the locks need some of
 * them to come to an end.
 */
const WAITERS = 2;

/** The calls of a system that locks are made of. */
export interface LockCalls {
  /** Opens a file for a lock; it is made (mode 0600) when there is none and `make` is set. A symbolic link is refused. */
  open(path: string, make: boolean): OwnedFd;
  /** Takes the lock unless it is held elsewhere. */
  tryLock(fd: OwnedFd): boolean;
  /** Waits for the lock on a pool thread. */
  waitForLock(fd: OwnedFd): Promise<void>;
}

/** Exclusive locks on files, flock(2), that go with the process and that whoever holds one may remove with its file. */
export class FileLocks {
  readonly #calls: LockCalls;
  #waiting = 0;
  readonly #queue: (() => void)[] = [];

  constructor(calls: LockCalls) {
    this.#calls = calls;
  }

  /** Waits for the lock without holding up the event loop. Disposing of the result releases it. */
  lock(path: string): Promise<Disposable> {
    return this.#lock(path, true);
  }

  /** The same, for a file that somebody else made; undefined when there is none, or it is removed meanwhile. */
  async lockExisting(path: string): Promise<Disposable | undefined> {
    try {
      return await this.#lock(path, false);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  async #lock(path: string, make: boolean): Promise<Disposable> {
    for (;;) {
      const fd = this.#calls.open(path, make);
      try {
        if (!this.#calls.tryLock(fd)) await this.#wait(fd);
        if (isStillAt(fd, path)) return fd;
      } catch (error) {
        fd[Symbol.dispose]();
        throw error;
      }
      // Its holder removed the file: the lock on that inode excludes nobody.
      fd[Symbol.dispose]();
    }
  }

  /** Takes the lock if nobody holds it; undefined when somebody does. The system's ENOENT for a file that is not to be made. */
  tryLock(path: string, make: boolean): OwnedFd | undefined {
    for (;;) {
      const fd = this.#calls.open(path, make);
      let taken = false;
      try {
        if (!this.#calls.tryLock(fd)) return undefined;
        taken = isStillAt(fd, path);
        if (taken) return fd;
      } finally {
        if (!taken) fd[Symbol.dispose]();
      }
    }
  }

  async #wait(fd: OwnedFd): Promise<void> {
    if (this.#waiting >= WAITERS) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#waiting++;
    try {
      await this.#calls.waitForLock(fd);
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#waiting--;
    }
  }
}

function isStillAt(fd: OwnedFd, path: string): boolean {
  const held = fstatSync(fd.number);
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.ino === held.ino && found.dev === held.dev;
}
