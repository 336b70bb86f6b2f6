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

/** How long SQLite's locks are waited for in all, in milliseconds. */
const BUSY_LIMIT_MS = 10_000;

/**
 * SQLite's own locks name nobody. A transaction has another one first; SQLite's are waited for only where another process
 * carries out a single statement, or opens the files, or closes them as the last one.
 */
export interface Turns {
  /** Carries out a transaction when it is its turn among all processes. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Makes sure that those go on who have SQLite's locks on these files. Returns words on who that is. */
  resumeHolders(files: readonly string[]): string;
  /** The lock was had, or not waited for any more. */
  settled(): void;
}

/** How a database is opened. */
export interface ConnectionMode {
  readonly readOnly?: boolean;
  /** The path is a URI with settings. */
  readonly uri?: boolean;
  /** How long SQLite itself waits for another process, in milliseconds. */
  readonly busyMs: number;
  /** Who is waited for longer than that; undefined: nobody. */
  readonly turns?: Turns | undefined;
  /** What is set before all else. */
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

  /** The statement after which transactions wait for the disk, or do not. It is kept to until the other is wanted. */
  waiting(lasting: boolean): string {
    if (this.#waits === lasting) return "";
    this.#waits = lasting;
    return `PRAGMA synchronous = ${lasting ? "FULL" : "NORMAL"}; `;
  }

  /** After a failure nobody knows what was set. */
  resetWaiting(): void {
    this.#waits = undefined;
  }

  async close(): Promise<void> {
    // SQLite does not close while there are any.
    for (const statement of await Promise.allSettled(this.#prepared.values()))
      if (statement.status === "fulfilled") statement.value.finalize();
    await queried<void>((resolve) => this.#database.close(() => resolve()));
  }

  /** SQLite takes as long to read a short statement as to carry it out, and each is another wait for its thread. */
  #prepare(sql: string): Promise<sqlite3.Statement> {
    const present = this.#prepared.get(sql);
    if (present !== undefined) return present;
    const prepared = this.#retryBusy<sqlite3.Statement>((resolve, reject) => {
      const statement = this.#database.prepare(sql, (error) => (error ? reject(error) : resolve(statement)));
    });
    this.#prepared.set(sql, prepared);
    // The next one to ask may have more luck.
    prepared.catch(() => this.#prepared.delete(sql));
    return prepared;
  }

  /** Asks again while another process has the files. */
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
