import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Changes } from "../changes.ts";
import type { Context } from "../context.ts";
import type { LogRecord, ReadLog } from "../model.ts";
import { inodeOf, LogFile } from "./log-records.ts";

/**
 * What containers wrote that no klee showed: `ROOT/logs/ID.log`, and before that `ROOT/logs/ID.log.old`. The supervisor
 * writes both.
 */
export const logPath = ({ root }: Context, containerId: string): string => `${root}/logs/${containerId}.log`;

const OLD = ".old";
const NEWLINE = 0x0a;
/** Makes the directory of the logs. */
export function makeLogs({ root }: Context): void {
  mkdirSync(`${root}/logs`, { recursive: true, mode: 0o700 });
}

export function removeLog(context: Context, containerId: string): void {
  for (const suffix of ["", OLD]) rmSync(`${logPath(context, containerId)}${suffix}`, { force: true });
}

/**
 * What a container's log holds, oldest first.
 *
 * @param ended settles when no more is to come; until then, with `follow`, what is written is told as it comes.
 */
export async function* readLog(
  context: Context,
  containerId: string,
  { tail, since, until, follow = false }: ReadLog,
  ended: Promise<unknown>,
): AsyncGenerator<LogRecord> {
  const isWanted = ({ time }: LogRecord): boolean =>
    (since === undefined || time >= since * 1000) && (until === undefined || time <= until * 1000);
  const path = logPath(context, containerId);
  if (follow) makeLogs(context);
  const changes = follow ? new FileChanges(path, ended) : undefined;
  using log = new Log(path);
  try {
    if (tail !== undefined) {
      const written: LogRecord[] = [];
      for (let records = log.read(); records.length > 0; records = log.read())
        written.push(...records.filter(isWanted));
      yield* lastLines(written, tail);
    }
    for (;;) {
      // Asked before reading: what is written after the end was told is read in the last round.
      const last = changes === undefined || changes.over;
      changes?.watch();
      const records = log.read();
      yield* records.filter(isWanted);
      if (records.length > 0) continue;
      if (last) return;
      await changes.next();
    }
  } finally {
    changes?.close();
  }
}

/** Both files as one. */
class Log implements Disposable {
  readonly #path: string;
  #file: LogFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The next records, at least one; none when there are no more for now. */
  read(): LogRecord[] {
    for (;;) {
      this.#file ??= this.#oldest();
      if (this.#file === undefined) return [];
      // Asked before reading: once it has lost its name, nothing more is written to it.
      const isOver = inodeOf(this.#path) !== this.#file.inode;
      const records = this.#file.read();
      if (records.length > 0 || !isOver) return records;
      const next = this.#after(this.#file);
      if (next === undefined) return [];
      this.#file[Symbol.dispose]();
      this.#file = next;
    }
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }

  #oldest(): LogFile | undefined {
    return open(`${this.#path}${OLD}`) ?? open(this.#path);
  }

  /** The file that was begun after this one, or the oldest of those that are left. */
  #after({ inode }: LogFile): LogFile | undefined {
    const old = open(`${this.#path}${OLD}`);
    if (old !== undefined && old.inode !== inode) return old;
    old?.[Symbol.dispose]();
    return open(this.#path);
  }
}

function open(path: string): LogFile | undefined {
  try {
    return new LogFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Tells of changes of whatever file has the name; of its directory, while none has. */
class FileChanges {
  over = false;
  readonly #path: string;
  readonly #ended: Promise<unknown>;
  #changes: Changes | undefined;
  #inode: number | undefined;

  constructor(path: string, ended: Promise<unknown>) {
    this.#path = path;
    this.#ended = ended;
    const end = (): void => {
      this.over = true;
    };
    ended.then(end, end);
  }

  /** Of what changes from now on, none is lost. */
  watch(): void {
    const inode = inodeOf(this.#path);
    if (this.#changes !== undefined && inode === this.#inode) return;
    this.#changes?.close();
    this.#inode = inode;
    this.#changes = new Changes(inode === undefined ? dirname(this.#path) : this.#path, this.#ended);
  }

  async next(): Promise<void> {
    await this.#changes?.next();
  }

  close(): void {
    this.#changes?.close();
  }
}

/** The last lines of what was written, each stream's lines being its own. */
function* lastLines(records: readonly LogRecord[], lines: number): Generator<LogRecord> {
  if (lines === 0) return;
  const starts: { readonly record: number; readonly offset: number }[] = [];
  const begun = { stdout: false, stderr: false, note: false };
  for (const [record, { stream, bytes }] of records.entries()) {
    for (let offset = 0; offset < bytes.length; ) {
      if (!begun[stream]) starts.push({ record, offset });
      const newline = bytes.indexOf(NEWLINE, offset);
      begun[stream] = newline < 0 && stream !== "note";
      offset = newline < 0 ? bytes.length : newline + 1;
    }
    // Of millions of lines, the last ones are wanted.
    if (starts.length > 2 * lines + records.length) starts.splice(0, starts.length - lines);
  }
  const from = starts[Math.max(0, starts.length - lines)];
  if (from === undefined) return;
  for (const [index, record] of records.slice(from.record).entries())
    yield index === 0 ? { ...record, bytes: record.bytes.subarray(from.offset) } : record;
}
