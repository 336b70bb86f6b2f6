import { quoted, Refusal } from "../refusal.ts";
import { ByteReader, EndOfArchive } from "./bytes.ts";
import { BLOCK_BYTES, decodeHeader, isZero, type TarHeader } from "./header.ts";
import { Extended, type PaxRecords, parseRecords } from "./records.ts";
import { readSparseMap, type SparseMap } from "./sparse.ts";

/** Most bytes of an extended header or a long name: what an archive can have klee hold in memory. */
const EXTENSION_BYTES = 16 * 1024 * 1024;
const NANOSECONDS = 1_000_000_000n;

export type EntryType = "file" | "directory" | "symbolic link" | "hard link" | "device" | "FIFO" | "unknown";

/** One entry, extended headers and fixed header taken together. Names are strings of one character for each byte. */
export interface TarEntry {
  readonly type: EntryType;
  readonly name: string;
  readonly link: string;
  /** NaN for a field that holds no number, as the following ones. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content in the archive. */
  readonly size: number;
  /** Nanoseconds since 1970; undefined for a field that holds no time. */
  readonly mtime: bigint | undefined;
  readonly attributes: ReadonlyMap<string, Buffer>;
  /** Where the content belongs, if it is not all there is. */
  readonly sparse: SparseMap | undefined;
  /** Names the entry in messages. */
  readonly what: string;
}

const TYPES: Readonly<Record<string, EntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hard link",
  "2": "symbolic link",
  "3": "device",
  "4": "device",
  "5": "directory",
  "6": "FIFO",
  "7": "file",
  // Of GNU tar's incremental archives: its content is a list of names.
  D: "directory",
  S: "file",
};

/** What stands before an entry's own header. */
interface Before {
  readonly global: PaxRecords;
  own: PaxRecords;
  longName: string | undefined;
  longLink: string | undefined;
}

/** Reads the entries of a tar archive: ustar, pax, GNU's and older ones. */
export class TarReader {
  readonly #reader: ByteReader;
  /** Bytes of the last entry's content, with padding, that nobody has read. */
  #left = 0;
  #last: string | undefined;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#reader = new ByteReader(chunks);
  }

  /** The entry that was read last, for messages. */
  get last(): string | undefined {
    return this.#last;
  }

  /**
   * The next entry; undefined at the archive's end, which is a block of zeros at least. What of the content of the one
   * before is not read is passed over.
   * @throws {Refusal} for an archive that is damaged, or ends before its end; whatever the source throws.
   */
  async next(): Promise<TarEntry | undefined> {
    try {
      const header = await this.#header();
      if (header === undefined) return undefined;
      return await this.#entry(header[0], header[1]);
    } catch (error) {
      throw this.#cut(error);
    }
  }

  /** The content of the entry that `next` gave last, piece by piece, with each piece's place in the file. */
  async *content({ size, sparse }: TarEntry): AsyncGenerator<{ readonly offset: number; readonly bytes: Buffer }> {
    const parts = sparse?.parts ?? [{ offset: 0, length: size }];
    try {
      for (const { offset, length } of parts) {
        let at = offset;
        for await (const bytes of this.#reader.next(length)) {
          this.#left -= bytes.length;
          yield { offset: at, bytes };
          at += bytes.length;
        }
      }
    } catch (error) {
      throw this.#cut(error);
    }
  }

  #global: PaxRecords = [];

  /** The next header of an entry, with what stands before it; undefined at the end. */
  async #header(): Promise<readonly [TarHeader, Before] | undefined> {
    const before: Before = { global: this.#global, own: [], longName: undefined, longLink: undefined };
    let zeros = false;
    for (;;) {
      for await (const _ of this.#reader.next(this.#left));
      this.#left = 0;
      const block = await this.#reader.upTo(BLOCK_BYTES);
      if (isZero(block) && (zeros || block.length === BLOCK_BYTES || block.length === 0)) {
        if (block.length === BLOCK_BYTES) {
          zeros = true;
          continue;
        }
        if (zeros && this.#last !== undefined) return undefined;
        if (this.#last === undefined) throw new Refusal("the archive is empty, or not a tar archive");
        throw new Refusal(`truncated after ${this.#last}`);
      }
      if (block.length < BLOCK_BYTES) throw new EndOfArchive();
      const header = decodeHeader(block);
      if (header === undefined) throw this.#damaged();
      if (!(await this.#extension(header, before))) return [header, { ...before, global: this.#global }];
    }
  }

  /** Takes in a header that tells of the following one. */
  async #extension(header: TarHeader, before: Before): Promise<boolean> {
    if (!["x", "g", "L", "K", "V"].includes(header.type)) return false;
    if (!(header.size >= 0)) throw this.#damaged();
    if (header.size > EXTENSION_BYTES)
      throw new Refusal(`an extended header of more than ${EXTENSION_BYTES} bytes${this.#after()}`);
    const bytes = await this.#reader.exactly(header.size);
    this.#left = padding(header.size);
    const name = (): string => bytes.toString("latin1").replace(/\0.*$/s, "");
    if (header.type === "L") before.longName = name();
    else if (header.type === "K") before.longLink = name();
    else if (header.type !== "V") {
      const records = parseRecords(bytes);
      if (records === undefined) throw this.#damaged();
      if (header.type === "g") this.#global = records;
      else before.own = records;
    }
    return true;
  }

  async #entry(header: TarHeader, before: Before): Promise<TarEntry> {
    const extended = new Extended([...before.global, ...before.own]);
    const name = extended.text("GNU.sparse.name") ?? extended.text("path") ?? before.longName ?? header.name;
    const what = `entry ${quoted(name)}`;
    this.#last = what;
    const size = extended.number("size") ?? header.size;
    if (!(Number.isSafeInteger(size) && size >= 0)) throw new Refusal(`${what} has a size that is not a number`);
    const isFile = TYPES[header.type] === "file";
    // Before there was a type for directories, a slash said so.
    const type = isFile && header.type !== "S" && name.endsWith("/") ? "directory" : (TYPES[header.type] ?? "unknown");
    // A directory's size is what it may hold, not what follows.
    const stored = header.type === "5" ? 0 : size;
    this.#left = stored + padding(stored);
    const sparse = type === "file" ? await readSparseMap(this.#reader, header, extended, stored, what) : undefined;
    this.#left -= sparse?.mapBytes ?? 0;
    return {
      type,
      name,
      link: extended.text("linkpath") ?? before.longLink ?? header.link,
      mode: header.mode,
      uid: extended.number("uid") ?? header.uid,
      gid: extended.number("gid") ?? header.gid,
      size: stored - (sparse?.mapBytes ?? 0),
      mtime: time(extended.text("mtime"), header.mtime),
      attributes: extended.attributes(),
      sparse,
      what,
    };
  }

  #cut(error: unknown): unknown {
    if (!(error instanceof EndOfArchive)) return error;
    return new Refusal(this.#last === undefined ? "not a tar archive, or truncated" : `truncated in ${this.#last}`);
  }

  #damaged(): Refusal {
    return new Refusal(this.#last === undefined ? "not a tar archive" : `damaged${this.#after()}`);
  }

  #after(): string {
    return this.#last === undefined ? "" : ` after ${this.#last}`;
  }
}

const padding = (size: number): number => (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;

/** `-1.5` of a pax record, or a header's seconds, in nanoseconds. */
function time(record: string | undefined, seconds: number): bigint | undefined {
  if (record === undefined) return Number.isSafeInteger(seconds) ? BigInt(seconds) * NANOSECONDS : undefined;
  const [, sign, whole, fraction = ""] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(record) ?? [];
  if (whole === undefined) return undefined;
  const size = BigInt(whole) * NANOSECONDS + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -size : size;
}
