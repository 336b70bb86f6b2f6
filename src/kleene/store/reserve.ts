import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";

/** What a removal of everything takes of a write-ahead log that begins anew each time it is full. */
const RESERVED_BYTES = 512 * 1024;
/** With less than this, a database that is opened as usual may not find the room for its files. */
const SCARCE_BYTES = 1024 * 1024;
const SCARCE_INODES = 8;
/** With so much left, some of it can be put aside. */
const AMPLE_BYTES = 8 * SCARCE_BYTES;
/** Of a write-ahead log: without a valid header it is an empty one (sqlite.org/fileformat2.html, 4.1). */
const HEADER_BYTES = 32;

/** The calls of a host that the reserve is made of: see Host. */
export interface ReserveCalls {
  lockExisting(path: string): Promise<Disposable | undefined>;
  renameNew(from: string, to: string): void;
}

/**
 * Room in the store that is kept for when there is none: a file `reserve` of random bytes, which becomes the database's
 * write-ahead log, name by name. It is overwritten in place, so that it takes no block and no inode of the file system
 * that a container has filled, and nobody can take it away in between.
 */
export class Reserve {
  readonly #root: string;
  readonly #file: string;
  readonly #log: string;
  readonly #calls: ReserveCalls | undefined;

  /** @param log path of the write-ahead log. */
  constructor(root: string, log: string, calls: ReserveCalls | undefined) {
    this.#root = root;
    this.#file = `${root}/reserve`;
    this.#log = log;
    this.#calls = calls;
  }

  /** Has the file system of the store less left than a database needs that is opened as usual? */
  isScarce(): boolean {
    return this.#calls !== undefined && !this.#has(SCARCE_BYTES, SCARCE_INODES);
  }

  /** Puts room aside where there is enough. */
  make(): void {
    const present = statSync(this.#file, { throwIfNoEntry: false });
    if (this.#calls === undefined || (present !== undefined && present.size >= RESERVED_BYTES)) return;
    if (!this.#has(AMPLE_BYTES, 2 * SCARCE_INODES)) return;
    quietly(() => writeFileSync(`${this.#file}.lock`, "", { mode: 0o600 }));
    const made = `${this.#file}.${process.pid}`;
    quietly(() => writeFileSync(made, randomBytes(RESERVED_BYTES), { mode: 0o600, flag: "wx" }));
    quietly(() => renameSync(made, this.#file));
  }

  /** Has it be the write-ahead log, if there is none. */
  async place(): Promise<void> {
    using _ = await this.#alone();
    quietly(() => {
      // With two names, it is the log already.
      if (lstatSync(this.#file).nlink !== 1 || lstatSync(this.#log, { throwIfNoEntry: false }) !== undefined) return;
      this.#clearHeader();
      this.#calls?.renameNew(this.#file, this.#log);
    });
  }

  /** Was it put back just after `place` found a log? Then whoever has opened the database since has a new one. */
  isMissed(): boolean {
    const kept = lstatSync(this.#file, { throwIfNoEntry: false });
    const log = lstatSync(this.#log, { throwIfNoEntry: false });
    return kept?.nlink === 1 && kept.size >= RESERVED_BYTES && (log?.size ?? 0) === 0;
  }

  /**
   * Closes a database that nobody else can open meanwhile; its log is the reserve again, where all of it is in the
   * database. SQLite would remove it.
   */
  async keep(close: () => Promise<void>, isEmpty: boolean): Promise<void> {
    using _ = await this.#alone();
    quietly(() => {
      if (isEmpty && lstatSync(this.#log).size >= RESERVED_BYTES) this.#calls?.renameNew(this.#log, this.#file);
    });
    await close();
  }

  async #alone(): Promise<Disposable | undefined> {
    return this.#calls?.lockExisting(`${this.#file}.lock`);
  }

  /** Gives the room to whoever is first. */
  release(): void {
    quietly(() => {
      if (lstatSync(this.#file).nlink !== 1) return;
      const fd = openSync(this.#file, "r+");
      ftruncateSync(fd, 0);
      closeSync(fd);
    });
  }

  #clearHeader(): void {
    const fd = openSync(this.#file, "r+");
    try {
      writeSync(fd, Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  #has(bytes: number, inodes: number): boolean {
    const { bfree, bsize, files, ffree } = statfsSync(this.#root);
    // File systems that make inodes as they need them tell of none.
    return bfree * bsize >= bytes && (files === 0 || ffree >= inodes);
  }
}

/** What cannot be put aside now is put aside by a later command; what fails for want of it says so itself. */
function quietly(act: () => void): void {
  try {
    act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}
