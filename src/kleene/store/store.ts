import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { KleeError } from "../errors.ts";
import { Connection, type Row, type Statements, type Turns, type Value } from "./connection.ts";
import { codeOf } from "./failure.ts";
import { hasLog, prepareFiles } from "./files.ts";
import { migrate } from "./migrations.ts";
import { Reserve, type ReserveCalls } from "./reserve.ts";

export type { Row, Statements, Turns } from "./connection.ts";
export { StoreConflict } from "./failure.ts";

/** How long SQLite itself waits for another process, in milliseconds, before it is looked who that is. */
const BUSY_TIMEOUT_MS = 500;
/** How long others are waited for where there is no room. */
const SCARCE_LIMIT_MS = 10_000;
/** Where there is no room, others have the database open for a few statements only, or for longer: then it has its files. */
const SCARCE_BUSY_MS = 200;
const RETRY_MS = 20;
/** How often what failed for want of room is tried again. */
const ROOM_TRIES = 4;

const SHARED = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
/** Exclusive: the index of the log is in memory, and no file. The log begins anew before it outgrows its room. */
const SCARCE = `PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_autocheckpoint = 32; ${SHARED}`;

const ALONE: Turns = { take: (work) => work(), resumeHolders: () => "another process", settled: () => undefined };

export interface StoreOptions {
  readonly turns?: Turns | undefined;
  /** Makes it possible to work where no room is left; see {@link Reserve}. */
  readonly room?: ReserveCalls | undefined;
  /** Nothing is to be changed: a file system that is read-only is no reason to fail. */
  readonly look?: boolean | undefined;
}

/** A connection that goes when nobody uses it any more. */
interface Lease {
  readonly connection: Promise<Connection>;
  users: number;
}

/**
 * The embedded database that holds what should be. SQLite in WAL mode, one connection; any number of processes may have
 * it open. Files are readable by their owner alone.
 *
 * On a file system without a free block or inode the connection is one for each transaction, exclusive, with the reserve
 * for its log: so that a full disk can be looked into and made room on.
 */
export class Store implements Statements {
  readonly #path: string;
  readonly #reserve: Reserve;
  readonly #turns: Turns;
  /** Undefined where there is no room. */
  #shared: Connection | undefined;
  #lease: Lease | undefined;
  /** Settles when the last lease is over. */
  #ended: Promise<void> = Promise.resolve();
  /** Transactions of this process queue here: one connection can hold one at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(root: string, path: string, { room, turns = ALONE }: StoreOptions) {
    this.#turns = turns;
    this.#path = path;
    this.#reserve = new Reserve(root, `${path}-wal`, room);
  }

  /**
   * Opens the database, making it and its directory when there is none, and brings its schema up to date.
   * @throws {KleeError} PERMISSION when it cannot be read or written, HOST when it is damaged or was written by a newer klee.
   */
  static async open(root: string, options: StoreOptions = {}): Promise<Store> {
    const path = `${root}/klee.sqlite`;
    const access = prepareFiles(root, path, options.look === true);
    const store = new Store(root, path, options);
    try {
      if (access === "read only") store.#shared = await openReadOnly(path);
      else if (!store.#reserve.isScarce()) store.#shared = await openShared(path, BUSY_TIMEOUT_MS, store.#turns);
      await migrate(store);
      if (access !== "read only" && store.#shared !== undefined) store.#reserve.make();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** File that is written to by each transaction; it is there as long as the database is open. */
  get changingFile(): string {
    return this.#shared === undefined ? this.#path : `${this.#path}-wal`;
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
      this.#queued(async (connection) => {
        const setting = connection.waiting(lasting);
        if (setting !== "") await connection.exec(setting);
        return ask(connection);
      }, false),
    );
  }

  /** @param within calls, at its time, what asks the database. */
  #statements(within: <T>(ask: (connection: Connection) => Promise<T>) => Promise<T>): Statements {
    const all = (sql: string, values: readonly Value[]): Promise<Row[]> =>
      within((connection) => connection.all(sql, values));
    return {
      run: (sql, ...values) => within((connection) => connection.run(sql, values)),
      get: async (sql, ...values) => (await all(sql, values))[0],
      all: (sql, ...values) => all(sql, values),
    };
  }

  /**
   * Reads to the end, though one row is wanted: a statement that stopped at a row keeps its view of the database until
   * it is let go, and with that view open SQLite does not wait for another command's transaction but fails at once.
   */
  async get(sql: string, ...values: readonly Value[]): Promise<Row | undefined> {
    return (await this.all(sql, ...values))[0];
  }

  all(sql: string, ...values: readonly Value[]): Promise<Row[]> {
    return this.#use((connection) => connection.all(sql, values));
  }

  /**
   * Runs `work` as one transaction that holds the write lock from its start; all of it is undone when it throws.
   * Kernel calls do not belong inside: others wait for the lock, and what fails for want of room is tried again.
   *
   * @param lasting false: a loss of power may undo it, and it does not wait for the disk. A killed process never does.
   */
  transaction<T>(work: (statements: Statements) => Promise<T>, lasting = true): Promise<T> {
    return this.#queued(async (connection) => {
      try {
        await connection.exec(`${connection.waiting(lasting)}BEGIN IMMEDIATE`);
        const value = await work(this.#statements((ask) => ask(connection)));
        await connection.exec("COMMIT");
        return value;
      } catch (error) {
        // SQLite has rolled back by itself after some errors; a second ROLLBACK then fails, and that is fine.
        await connection.exec("ROLLBACK").catch(() => undefined);
        throw error;
      }
    }, true);
  }

  #queued<T>(work: (connection: Connection) => Promise<T>, inTurn: boolean): Promise<T> {
    const carriedOut = (): Promise<T> =>
      this.#use(async (connection) => {
        try {
          return await work(connection);
        } catch (error) {
          connection.resetWaiting();
          throw error;
        }
      });
    const result = this.#queue.then(() => (inTurn ? this.#turns.take(carriedOut) : carriedOut()));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Gives `work` a connection; where it fails for want of room, some is made, and it begins anew. */
  async #use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++)
      try {
        return await (this.#shared === undefined ? this.#leased(work) : work(this.#shared));
      } catch (error) {
        if (tries === ROOM_TRIES || !lacksRoom(error)) throw error;
        await this.#makeRoom(tries);
      }
  }

  /** The log is written to from its beginning again, where all of it is in the database; then there is the reserve. */
  async #makeRoom(tries: number): Promise<void> {
    await this.#shared?.exec("PRAGMA wal_checkpoint(RESTART)").catch(() => undefined);
    if (this.#shared !== undefined && tries > 1) this.#reserve.release();
  }

  /** The connection of the others that work now, or a new one. */
  async #leased<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const lease = this.#lease ?? { connection: this.#ended.then(() => this.#openScarce()), users: 0 };
    this.#lease = lease;
    lease.users++;
    try {
      return await work(await lease.connection);
    } finally {
      if (--lease.users === 0) {
        this.#lease = undefined;
        this.#ended = lease.connection.then(
          (connection) => this.#endLease(connection),
          () => undefined,
        );
        await this.#ended;
      }
    }
  }

  /** A connection that turned out to be shared stays. */
  async #endLease(connection: Connection): Promise<void> {
    if (connection === this.#shared) return;
    // What the database has no room for stays in the log, for the next one to open it.
    const [row] = await connection.all("PRAGMA wal_checkpoint(FULL)", []).catch((): Row[] => []);
    const isEmpty = row !== undefined && row.busy === 0 && row.log === row.checkpointed;
    await this.#reserve.keep(() => connection.close(), isEmpty);
  }

  async #openScarce(): Promise<Connection> {
    const deadline = Date.now() + SCARCE_LIMIT_MS;
    for (let tries = 1; ; ) {
      await this.#reserve.place();
      try {
        const mode = { busyMs: SCARCE_BUSY_MS, settings: SCARCE };
        const connection = await Connection.open(this.#path, this.#path, mode);
        if (!this.#reserve.isMissed() || Date.now() > deadline) return connection;
        await connection.close();
      } catch (error) {
        if (lacksRoom(error) ? tries++ === ROOM_TRIES : !isBusy(error) || Date.now() > deadline) throw error;
        // Others who have it open have made its files already.
        if (isBusy(error)) this.#shared ??= await openShared(this.#path, SCARCE_BUSY_MS, undefined).catch(unlessBusy);
        if (this.#shared !== undefined) return this.#shared;
      }
      await setTimeout(RETRY_MS);
    }
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#ended;
    await this.#shared?.close();
  }
}

const causeOf = (error: unknown): string => codeOf(error instanceof KleeError ? error.cause : error);

/** What SQLite says when there is no block, or no inode, for what it has to write. */
const lacksRoom = (error: unknown): boolean =>
  ["SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN"].includes(causeOf(error));

/** As usual; undefined for want of room, as by a quota that statfs(2) does not tell of. */
async function openShared(path: string, busyMs: number, turns: Turns | undefined): Promise<Connection | undefined> {
  try {
    return await Connection.open(path, path, { busyMs, settings: SHARED, turns });
  } catch (error) {
    if (lacksRoom(error)) return undefined;
    throw error;
  }
}

const isBusy = (error: unknown): boolean => causeOf(error) === "SQLITE_BUSY";

function unlessBusy(error: unknown): undefined {
  if (!isBusy(error)) throw error;
}

/** On a read-only file system: without its log and the index of that, the database is taken for one that never changes. */
function openReadOnly(path: string): Promise<Connection> {
  const mode = { readOnly: true, busyMs: BUSY_TIMEOUT_MS, settings: "" };
  if (hasLog(path)) return Connection.open(path, path, mode);
  return Connection.open(path, `${pathToFileURL(path).href}?immutable=1`, { ...mode, uri: true });
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
