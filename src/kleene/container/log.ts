import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { Changes } from "../changes.ts";
import type { Context } from "../context.ts";
import type { ReadLog } from "../model.ts";

/**
 * Logs of detached containers: `ROOT/logs/ID` takes what the first process of each run writes, `ROOT/logs/ID.index` says
 * what was written when (native/src/linux/log.rs). The oldest bytes of a long log are a hole, so that offsets stay.
 */
export const logPath = ({ root }: Context, containerId: string): string => `${root}/logs/${containerId}`;

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Opens a container's log for a process to write to, making it when there is none: a descriptor, to be closed. */
export function openLog(context: Context, containerId: string): number {
  mkdirSync(`${context.root}/logs`, { recursive: true, mode: 0o700 });
  return openSync(logPath(context, containerId), "a", 0o600);
}

export function removeLog(context: Context, containerId: string): void {
  for (const suffix of ["", ".index", ".index.new"])
    rmSync(`${logPath(context, containerId)}${suffix}`, { force: true });
}

/**
 * What a container's log holds, in pieces, oldest first.
 *
 * @param ended settles when no more is to come; until then, with `follow`, what is written is told as it comes.
 */
export async function* readLog(
  context: Context,
  containerId: string,
  { tail, since, follow = false }: ReadLog,
  ended: Promise<unknown>,
): AsyncGenerator<Buffer> {
  const path = logPath(context, containerId);
  if (!existsSync(path)) return;
  const fd = openSync(path, "r");
  const changes = follow ? new Changes(path, ended) : undefined;
  try {
    let offset = startOf(fd, `${path}.index`, since);
    if (tail !== undefined) offset = Math.max(offset, startOfTail(fd, offset, tail));
    for (;;) {
      // Asked before reading: what is written after the end was told is read in the last round.
      const last = changes === undefined || changes.over;
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, offset);
      // The supervisor says where the log begins before it lets go of what is older: what was read from there is no log.
      const begin = readIndex(`${path}.index`)[0]?.offset ?? 0;
      if (offset < begin) {
        offset = lineStart(fd, begin);
        continue;
      }
      offset += length;
      if (length > 0) yield chunk.subarray(0, length);
      else if (last) return;
      else await changes.next();
    }
  } finally {
    changes?.close();
    closeSync(fd);
  }
}

/** Where the log begins, or where what was written since a time does, at a line's start. */
function startOf(fd: number, indexPath: string, since: number | undefined): number {
  const entries = readIndex(indexPath);
  const begin = entries[0]?.offset ?? 0;
  // What lies before the offset of an entry was written before its time.
  const earlier = entries.filter(({ time }) => since !== undefined && time < since);
  const offset = Math.min(Math.max(begin, earlier.at(-1)?.offset ?? 0), fstatSync(fd).size);
  return offset === 0 ? 0 : lineStart(fd, offset);
}

function readIndex(path: string): { readonly time: number; readonly offset: number }[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .map((line) => /^(\d+) (\d+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, time, offset]) => ({ time: Number(time), offset: Number(offset) }));
}

/** The first start of a line at or after the offset. */
function lineStart(fd: number, offset: number): number {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let at = offset - 1; ; at += CHUNK_BYTES) {
    const length = readSync(fd, chunk, 0, CHUNK_BYTES, at);
    const newline = chunk.subarray(0, length).indexOf(NEWLINE);
    if (newline >= 0) return at + newline + 1;
    if (length < CHUNK_BYTES) return at + length;
  }
}

/** Where the last `lines` lines begin, not before `begin`. */
function startOfTail(fd: number, begin: number, lines: number): number {
  const { size } = fstatSync(fd);
  if (lines === 0) return size;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let found = 0;
  for (let end = size; end > begin; ) {
    const from = Math.max(begin, end - CHUNK_BYTES);
    const length = readSync(fd, chunk, 0, end - from, from);
    for (let at = length - 1; at >= 0; at -= 1) {
      // The newline that ends the last line begins none.
      if (chunk[at] !== NEWLINE || from + at === size - 1) continue;
      found += 1;
      if (found === lines) return from + at + 1;
    }
    end = from;
  }
  return begin;
}
