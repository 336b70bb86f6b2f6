import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { LogRecord } from "../model.ts";

/** Before the bytes of a record: their number, its stream and mark, its time; native/src/common/log.rs writes it. */
const HEADER_BYTES = 16;
const MARK = "klg";
const LONGEST_BYTES = 64 * 1024;
/** More than one record. */
const CHUNK_BYTES = 4 * LONGEST_BYTES;

const streams: Readonly<Record<number, LogRecord["stream"]>> = { 1: "stdout", 2: "stderr", 3: "note" };

/** A file of a log, read from its beginning. */
export class LogFile implements Disposable {
  /** Tells it from the one that takes its name. */
  readonly inode: number;
  readonly #fd: number;
  #offset = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "r");
    this.inode = fstatSync(this.#fd).ino;
  }

  /** The next whole records: none when there are no more for now. */
  read(): LogRecord[] {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(this.#fd, chunk, 0, CHUNK_BYTES, this.#offset);
    const records: LogRecord[] = [];
    for (let at = 0; ; ) {
      if (at + HEADER_BYTES > length) break;
      const size = chunk.readUInt32LE(at);
      const stream = streams[chunk.readUInt8(at + 4)];
      if (stream === undefined || chunk.toString("latin1", at + 5, at + 8) !== MARK || size > LONGEST_BYTES) {
        // Nothing behind it can be told from what a container wrote.
        this.#offset = Number.MAX_SAFE_INTEGER;
        const bytes = Buffer.from("the log is damaged here; its writer goes on in a new file");
        return [...records, { time: records.at(-1)?.time ?? 0, stream: "note", bytes }];
      }
      const end = at + HEADER_BYTES + size;
      if (end > length) break;
      const time = Number(chunk.readBigUInt64LE(at + 8));
      records.push({ time, stream, bytes: chunk.subarray(at + HEADER_BYTES, end) });
      this.#offset += end - at;
      at = end;
    }
    return records;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** The inode of the file with this name; undefined when there is none. */
export function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
