import { accessSync, chmodSync, closeSync, constants, lstatSync, mkdirSync, openSync, type Stats } from "node:fs";
import type sqlite3 from "sqlite3";
import { monotonicMilliseconds } from "../../clock.ts";
import { during } from "../../timeline.ts";
import { KleeError, messageOf } from "../errors.ts";
import { migrate } from "./migrations.ts";

type Value = string | number | bigint | null;
export type Row = Record<string, string | number | null>;

/** How long SQLite itself waits for another process, in milliseconds, before it is looked who that is; and how long in all. */
const BUSY_TIMEOUT_MS = 500;
const PATIENCE_MS = 10_000;

/**
 * SQLite's own locks name nobody. A transaction has another one first; SQLite's are waited for only where another process
 * carries out a single statement, or opens the files, or closes them as the last one.
 */
export interface Turns {
  /** Carries out a transaction when it is its turn among all processes. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Makes sure that those go on who have SQLite's locks on these files. Returns words on who that is. */
  hurry(files: readonly string[]): string;
  /** The lock was had, or not waited for any more. */
  hurried(): void;
}

const ALONE: Turns = { take: (work) => work(), hurry: () => "another process", hurried: () => undefined };

/** Statements on one open database. Inside `transaction` they belong to that transaction. */
export interface Statements {
  run(sql: string, ...values: readonly Value[]): Promise<void>;
  get(sql: string, ...values: readonly Value[]): Promise<Row | undefined>;
  all(sql: string, ...values: readonly Value[]): Promise<Row[]>;
}

/**
 * The embedded database that holds what should be. SQLite in WAL mode, one connection; any number of processes may have
 * it open. Files are readable by their owner alone.
 */
export class Store implements Statements {
  readonly #database: sqlite3.Database;
  readonly #path: string;
  /** Those used so far, by their text: klee's are constants, so that there are not many. */
  readonly #prepared = new Map<string, Promise<sqlite3.Statement>>();
  /** Transactions of this process queue here: one connection can hold one at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #turns: Turns;
  /** Whether a transaction that ends now would wait for the disk; undefined when nobody knows. */
  #waits: boolean | undefined = true;

  /** What a transaction consists of. */
  readonly #inside = this.#statements((ask) => ask());

  private constructor(database: sqlite3.Database, path: string, turns: Turns) {
    this.#database = database;
    this.#path = path;
    this.#turns = turns;
  }

  /**
   * Opens the database, making it and its directory when there is none, and brings its schema up to date.
   * @throws {KleeError} PERMISSION when it cannot be read or written, HOST when it is damaged or was written by a newer klee.
   */
  static async open(root: string, turns = ALONE): Promise<Store> {
    const path = `${root}/klee.sqlite`;
    prepareFiles(root, path);
    const { Database, OPEN_READWRITE } = (await during("sqlite3", () => import("sqlite3"))).default;
    const database = await queried<sqlite3.Database>((resolve, reject) => {
      const opened: sqlite3.Database = new Database(path, OPEN_READWRITE, (error) =>
        error ? reject(storeFailure(path, error)) : resolve(opened),
      );
    });
    const store = new Store(database, path, turns);
    try {
      database.configure("busyTimeout", BUSY_TIMEOUT_MS);
      await store.#exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
      await migrate(store);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** File that is written to by each transaction; it is there as long as the database is open. */
  get changingFile(): string {
    return `${this.#path}-wal`;
  }

  run(sql: string, ...values: readonly Value[]): Promise<void> {
    return this.alone(true).run(sql, ...values);
  }

  /**
   * Statements each of which is a transaction of its own, without the two further ones that begin and end it.
   *
   * @param lasting as in `transaction`.
   */
  alone(lasting: boolean): Statements {
    return this.#statements((ask) =>
      this.#queued(async () => {
        const setting = this.#waiting(lasting);
        if (setting !== "") await this.#exec(setting);
        return ask();
      }),
    );
  }

  /** @param within calls, at its time, what asks the database. */
  #statements(within: <T>(ask: () => Promise<T>) => Promise<T>): Statements {
    return {
      run: (sql, ...values) => within(() => this.#run(sql, values)),
      get: (sql, ...values) => within(() => this.get(sql, ...values)),
      all: (sql, ...values) => within(() => this.all(sql, ...values)),
    };
  }

  async #run(sql: string, values: readonly Value[]): Promise<void> {
    const statement = await this.#prepare(sql);
    return this.#patiently((resolve, reject) => {
      statement.run(values, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Asks again while another process has the files. */
  async #patiently<T>(ask: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    const deadline = monotonicMilliseconds() + PATIENCE_MS;
    try {
      for (;;)
        try {
          return await queried(ask);
        } catch (error) {
          if (codeOf(error) !== "SQLITE_BUSY") throw this.#failure(error);
          const who = this.#turns.hurry([this.#path, `${this.#path}-shm`]);
          if (monotonicMilliseconds() >= deadline) throw busyFailure(this.#path, who, error);
        }
    } finally {
      this.#turns.hurried();
    }
  }

  /**
   * Reads to the end, though one row is wanted: a statement that stopped at a row keeps its view of the database until
   * it is let go, and with that view open SQLite does not wait for another command's transaction but fails at once.
   */
  async get(sql: string, ...values: readonly Value[]): Promise<Row | undefined> {
    return (await this.all(sql, ...values))[0];
  }

  async all(sql: string, ...values: readonly Value[]): Promise<Row[]> {
    const statement = await this.#prepare(sql);
    return this.#patiently((resolve, reject) => {
      statement.all(values, (error, rows: Row[]) => (error ? reject(error) : resolve(rows)));
    });
  }

  /** SQLite takes as long to read a short statement as to carry it out, and each is another wait for its thread. */
  #prepare(sql: string): Promise<sqlite3.Statement> {
    const present = this.#prepared.get(sql);
    if (present !== undefined) return present;
    const prepared = this.#patiently<sqlite3.Statement>((resolve, reject) => {
      const statement = this.#database.prepare(sql, (error) => (error ? reject(error) : resolve(statement)));
    });
    this.#prepared.set(sql, prepared);
    // The next one to ask may have more luck.
    prepared.catch(() => this.#prepared.delete(sql));
    return prepared;
  }

  /**
   * Runs `work` as one transaction that holds the write lock from its start; all of it is undone when it throws.
   * Kernel calls do not belong inside: others wait for the lock.
   *
   * @param lasting false: a loss of power may undo it, and it does not wait for the disk. A killed process never does.
   */
  transaction<T>(work: (statements: Statements) => Promise<T>, lasting = true): Promise<T> {
    return this.#queued(() => this.#turns.take(() => this.#transact(work, lasting)));
  }

  async #transact<T>(work: (statements: Statements) => Promise<T>, lasting: boolean): Promise<T> {
    try {
      await this.#exec(`${this.#waiting(lasting)}BEGIN IMMEDIATE`);
      const value = await work(this.#inside);
      await this.#exec("COMMIT");
      return value;
    } catch (error) {
      // SQLite has rolled back by itself after some errors; a second ROLLBACK then fails, and that is fine.
      await this.#exec("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {
      this.#waits = undefined;
    });
    return result;
  }

  /** The statement after which transactions wait for the disk, or do not. It is kept to until the other is wanted. */
  #waiting(lasting: boolean): string {
    if (this.#waits === lasting) return "";
    this.#waits = lasting;
    return `PRAGMA synchronous = ${lasting ? "FULL" : "NORMAL"}; `;
  }

  async close(): Promise<void> {
    await this.#queue;
    // SQLite does not close while there are any.
    for (const statement of await Promise.allSettled(this.#prepared.values()))
      if (statement.status === "fulfilled") statement.value.finalize();
    await queried<void>((resolve) => this.#database.close(() => resolve()));
  }

  #exec(sql: string): Promise<void> {
    return this.#patiently((resolve, reject) => {
      this.#database.exec(sql, (error) => (error ? reject(error) : resolve()));
    });
  }

  #failure(error: unknown): Error {
    return storeFailure(this.#path, error);
  }
}

/**
 * What is asked of the database at once: each question crosses to a thread of the pool and back, which takes longer than
 * most answers. When some fail the first of them counts, and none is under way any more: what is asked in a transaction
 * must not be carried out after its end.
 */
export async function atOnce<T extends readonly unknown[] | []>(
  asked: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  for (const answer of await Promise.allSettled(asked)) if (answer.status === "rejected") throw answer.reason;
  return Promise.all(asked);
}

/** A promise of what the database answers. */
function queried<T>(ask: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
  return during("query", () => new Promise<T>(ask));
}

/**
 * SQLite creates files with the umask's mode: make the directory and the file first, closed to all but the owner. What
 * somebody else could have put there, or could exchange meanwhile, is not used. A file that is there is not opened:
 * closing it again would drop the locks that another store of this process has on it (fcntl(2), F_SETLK).
 */
function prepareFiles(root: string, path: string): void {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // With a slash at the end lstat(2) would follow a link.
    refuseForeign(root, lstatSync(root.replace(/(?<=.)\/+$/, "")));
    const stats = lstatSync(path, { throwIfNoEntry: false }) ?? makeFile(path);
    refuseForeign(path, stats);
    if (!stats.isFile()) throw new KleeError("HOST", `the store ${path} is no file`);
    if ((stats.mode & 0o777) !== 0o600) chmodSync(path, 0o600);
    // On a read-only file system SQLite would only say that it cannot open the file.
    accessSync(path, constants.W_OK);
  } catch (error) {
    if (error instanceof KleeError) throw error;
    throw storeFailure(path, error);
  }
}

/** Another klee may make it first: SQLite leaves an empty file to the first one that writes. */
function makeFile(path: string): Stats {
  closeSync(openSync(path, "a", 0o600));
  return lstatSync(path);
}

/** @throws {KleeError} when it is a link, another user owns it, or may write to it. */
function refuseForeign(path: string, stats: Stats): void {
  if (stats.isSymbolicLink())
    throw new KleeError("HOST", `the store ${path} is a symbolic link; klee does not follow it`);
  if (stats.uid !== process.geteuid?.())
    throw new KleeError("PERMISSION", `${path} belongs to user ${stats.uid}, not to root: chown it, if it is klee's`);
  if ((stats.mode & 0o022) !== 0) {
    const mode = stats.isDirectory() ? "700" : "600";
    throw new KleeError("PERMISSION", `${path} can be written by others than root: chmod ${mode} it`);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

function busyFailure(path: string, who: string, cause: unknown): KleeError {
  const text = `store ${path}: ${who} has had its files for ${PATIENCE_MS / 1000} s; 'fuser ${path}' names who has them open`;
  return new KleeError("CONFLICT", text, { cause });
}

function storeFailure(path: string, error: unknown): KleeError {
  const text = messageOf(error);
  switch (codeOf(error)) {
    case "SQLITE_FULL":
    case "SQLITE_IOERR":
      return new KleeError("HOST", `store ${path}: ${text}; is there space left on its file system?`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "SQLITE_READONLY":
      return new KleeError("PERMISSION", `cannot write the store ${path}: ${text}; run klee as root`, { cause: error });
    case "SQLITE_CORRUPT":
    case "SQLITE_NOTADB":
      return new KleeError("HOST", `the store ${path} is damaged: ${text}`, { cause: error });
    case "SQLITE_CONSTRAINT":
      return new StoreConflict(path, text, error);
    default:
      return new KleeError("HOST", `store ${path}: ${text}`, { cause: error });
  }
}

/** A uniqueness rule of the schema refused a row: another command was faster. */
export class StoreConflict extends KleeError {
  /** Does the refused rule involve this column, `table.column`? */
  readonly #text: string;

  constructor(path: string, text: string, cause: unknown) {
    super("CONFLICT", `store ${path}: ${text}`, { cause });
    this.#text = text;
  }

  concerns(column: string): boolean {
    return this.#text.includes(column);
  }
}

/** Value of a text column. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new KleeError("HOST", `the store is damaged: ${column} is not text`);
  return value;
}

/** Value of an integer column that holds 0 or 1. */
export function flag(row: Row, column: string): boolean {
  return row[column] === 1;
}

/** Value of a text column that holds a JSON list of strings. */
export function list(row: Row, column: string): string[] {
  const value: unknown = JSON.parse(text(row, column));
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === "string"))
    throw new KleeError("HOST", `the store is damaged: ${column} is not a list`);
  return value;
}
