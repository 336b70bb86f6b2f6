import type sqlite3 from "sqlite3";
import { monotonicMilliseconds } from "../../clock.ts";
import { step } from "../steps.ts";
import { busyFailure, codeOf, storeFailure } from "./failure.ts";

export type Value = string | number | bigint | null;
export type Row = Record<string, string | number | null>;

/** Statements on one open database. Inside `transaction` they belong to that transaction. */
export interface Statements {
  run(sql: string, ...values: readonly Value[]): Promise<void>;
  get(sql: string, ...values: readonly Value[]): Promise<Row | undefined>;
  all(sql: string, ...values: readonly Value[]): Promise<Row[]>;
}

/** How long to wait for SQLite's own locks, in milliseconds. */
const BUSY_LIMIT_MS = 10_000;

/**
 * SQLite's own locks do not tell who holds them, so a transaction first takes a lock of klee's. What is left to wait for
 * are single statements of other processes, and others that open the files or, being the last, close them.
 */
export interface Turns {
  /** Runs a transaction while no other process runs one. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Continues stopped processes that hold SQLite's locks on these files. @returns who holds them, for a message. */
  resumeHolders(files: readonly string[]): string;
  /** The wait is over, with the lock or without: stops again what `resumeHolders` continued. */
  settled(): void;
}

/** How a database is opened. */
export interface ConnectionMode {
  readonly readOnly?: boolean;
  /** The path is a URI with settings. */
  readonly uri?: boolean;
  /** SQLite's own busy timeout, in milliseconds. */
  readonly busyMs: number;
  /** How to wait for longer than that; undefined: fail. */
  readonly turns?: Turns | undefined;
  /** Pragmas that run first. */
  readonly settings: string;
}

/** One open SQLite database, with the statements that it has prepared. */
export class Connection {
  readonly #database: sqlite3.Database;
  readonly #path: string;
  readonly #turns: Turns | undefined;
  /** Those used so far, by their text: klee's are constants, so that there are not many. */
  readonly #prepared = new Map<string, Promise<sqlite3.Statement>>();
  /** Whether a transaction that ends now would wait for the disk; undefined when nobody knows. */
  #waits: boolean | undefined = true;

  private constructor(database: sqlite3.Database, path: string, turns: Turns | undefined) {
    this.#turns = turns;
    this.#database = database;
    this.#path = path;
  }

  /** @param path for messages, whatever `name` SQLite is given. */
  static async open(path: string, name: string, mode: ConnectionMode): Promise<Connection> {
    const sqlite = (await import("sqlite3")).default;
    const access = mode.readOnly ? sqlite.OPEN_READONLY : sqlite.OPEN_READWRITE;
    const database = await queried<sqlite3.Database>((resolve, reject) => {
      const opened: sqlite3.Database = new sqlite.Database(name, access | (mode.uri ? sqlite.OPEN_URI : 0), (error) =>
        error ? reject(storeFailure(path, error)) : resolve(opened),
      );
    });
    const connection = new Connection(database, path, mode.turns);
    try {
      database.configure("busyTimeout", mode.busyMs);
      if (mode.settings !== "") await connection.exec(mode.settings);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  async run(sql: string, values: readonly Value[]): Promise<void> {
    const statement = await this.#prepare(sql);
    return this.#retryBusy((resolve, reject) => {
      statement.run(values, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Reads to the end: see {@link Store.get}. */
  async all(sql: string, values: readonly Value[]): Promise<Row[]> {
    const statement = await this.#prepare(sql);
    return this.#retryBusy((resolve, reject) => {
      statement.all(values, (error, rows: Row[]) => (error ? reject(error) : resolve(rows)));
    });
  }

  exec(sql: string): Promise<void> {
    return this.#retryBusy((resolve, reject) => {
      this.#database.exec(sql, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The pragma that makes transactions wait for the disk, or not to; empty when that is set already. */
  waiting(lasting: boolean): string {
    if (this.#waits === lasting) return "";
    this.#waits = lasting;
    return `PRAGMA synchronous = ${lasting ? "FULL" : "NORMAL"}; `;
  }

  /** After a failure it is not known what is set. */
  resetWaiting(): void {
    this.#waits = undefined;
  }

  async close(): Promise<void> {
    // SQLite does not close while there are any.
    for (const statement of await Promise.allSettled(this.#prepared.values()))
      if (statement.status === "fulfilled") statement.value.finalize();
    await queried<void>((resolve) => this.#database.close(() => resolve()));
  }

  /** Prepared once: SQLite takes as long to parse a short statement as to run it, and each is another trip to its thread. */
  #prepare(sql: string): Promise<sqlite3.Statement> {
    const present = this.#prepared.get(sql);
    if (present !== undefined) return present;
    const prepared = this.#retryBusy<sqlite3.Statement>((resolve, reject) => {
      const statement = this.#database.prepare(sql, (error) => (error ? reject(error) : resolve(statement)));
    });
    this.#prepared.set(sql, prepared);
    // Not kept, so that the next call tries again.
    prepared.catch(() => this.#prepared.delete(sql));
    return prepared;
  }

  /** Tries again while another process holds the files. */
  async #retryBusy<T>(ask: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    const deadline = monotonicMilliseconds() + BUSY_LIMIT_MS;
    try {
      for (;;)
        try {
          return await queried(ask);
        } catch (error) {
          if (this.#turns === undefined || codeOf(error) !== "SQLITE_BUSY") throw storeFailure(this.#path, error);
          const who = this.#turns.resumeHolders([this.#path, `${this.#path}-shm`]);
          if (monotonicMilliseconds() >= deadline) throw busyFailure(this.#path, who, BUSY_LIMIT_MS, error);
        }
    } finally {
      this.#turns?.settled();
    }
  }
}

/** A promise of what the database answers. */
function queried<T>(ask: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
  return step("query", () => new Promise<T>(ask));
}
