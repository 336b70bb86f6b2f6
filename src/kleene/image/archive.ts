import { closeSync, createReadStream, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { extract, type Header as TarHeader } from "tar-stream";
import { decompressor, HEAD_BYTES } from "./compression.ts";
import { entryPath } from "./entry-path.ts";
import { type Metadata, setFileMetadata } from "./metadata.ts";
import { imageFailure, naming, quoted, Refusal, reason } from "./refusal.ts";
import { Tree } from "./tree.ts";

const BLOCK_BYTES = 512;
const READ_BYTES = 1024 * 1024;
/** The largest user and group number; the next one means "leave as it is" to chown(2). */
const LARGEST_OWNER = 0xfffffffe;

/** What tar-stream gives beyond its declared types. */
interface Header extends Omit<TarHeader, "type"> {
  /** Null for a type flag it does not know. */
  readonly type: TarHeader["type"] | null;
  /** Where in the archive the entry's content starts. */
  readonly byteOffset: number;
  readonly pax: Readonly<Record<string, string>> | null;
}

/** Names are bytes: latin1 keeps each as it is. Archives older than ustar have no mark, but a checksum. */
const READER_OPTIONS: Parameters<typeof extract>[0] & {
  readonly allowUnknownFormat: boolean;
  readonly filenameEncoding: BufferEncoding;
} = { allowUnknownFormat: true, filenameEncoding: "latin1" };

/**
 * Unpacks a tar archive, plain or compressed with gzip or xz, into an empty directory that only root can reach. Content
 * streams through: memory grows with the number of entries only. Whoever calls this removes the directory on failure.
 *
 * Kept: type, mode, owner by number, modification time, hard links. Refused whole: what tar(5) allows and an image must
 * not have (see entryPath, checkLinkTarget and Tree), device nodes, FIFOs, GNU sparse files, truncated archives.
 *
 * @throws {KleeError} HOST: `image creation failed: FILE: entry "../x" leads outside the image`.
 */
export async function unpackArchive(file: string, directory: string): Promise<void> {
  try {
    await unpack(file, new Tree(directory));
  } catch (error) {
    throw imageFailure(file, error);
  }
}

async function unpack(file: string, tree: Tree): Promise<void> {
  const { fd, head } = openArchive(file);
  const source = createReadStream(file, { fd, highWaterMark: READ_BYTES });
  const end = new ArchiveEnd();
  const entries = extract(READER_OPTIONS);
  let last: string | undefined;
  let feeding: Promise<void> | undefined;
  try {
    const decompressed = decompressor(head);
    const whole = join(head, source);
    const watch = (chunks: AsyncIterable<Buffer>) => end.watch(chunks);
    feeding = decompressed ? pipeline(whole, decompressed, watch, entries) : pipeline(whole, watch, entries);
    // Awaited below; without this a failure that comes first would count as unhandled.
    feeding.catch(() => undefined);
    for await (const entry of entries) {
      const header = entry.header as Header;
      last = describe(header);
      await addEntry(tree, entry as AsyncIterable<Buffer>, header, last);
      end.expectAfter(header);
    }
    await feeding;
    if (last === undefined) throw new Refusal("the archive is empty, or not a tar archive");
    end.check(last);
    tree.finish();
  } catch (error) {
    entries.destroy();
    source.destroy();
    if (error instanceof Refusal) throw error;
    // When the source fails, the entries only tell that they were cut off.
    const cause = (await failureOf(feeding)) ?? error;
    throw new Refusal(damage(cause, last), { cause });
  }
}

function openArchive(file: string): { readonly fd: number; readonly head: Buffer } {
  const fd = openSync(file, "r");
  try {
    if (fstatSync(fd).isDirectory()) throw new Refusal("a directory, not an archive");
    const head = Buffer.alloc(HEAD_BYTES);
    let length = 0;
    for (let read = -1; read !== 0 && length < head.length; length += read)
      read = readSync(fd, head, length, head.length - length, null);
    return { fd, head: head.subarray(0, length) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function* join(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  yield* rest;
}

async function addEntry(tree: Tree, content: AsyncIterable<Buffer>, header: Header, what: string): Promise<void> {
  const path = entryPath(nameBytes(header.name, header.pax?.path, what), what);
  const metadata = metadataOf(header, what);
  if (!Number.isSafeInteger(header.size)) throw new Refusal(`${what} has a size that is not a number`);
  for (const key of Object.keys(header.pax ?? {})) {
    if (key.startsWith("GNU.sparse.")) throw new Refusal(`${what} is a sparse file; make the archive without --sparse`);
  }
  if (path === "" && header.type !== "directory") throw new Refusal(`${what} takes the place of the root directory`);
  switch (header.type) {
    case "directory":
      tree.addDirectory(path, metadata, what);
      return;
    case "file":
    case "contiguous-file":
      await addFile(tree, content, path, metadata, what);
      return;
    case "symlink":
      if (header.size > 0) throw new Refusal(`${what} is a symbolic link with content`);
      tree.addSymbolicLink(path, linkBytes(header, what), metadata, what);
      return;
    case "link": {
      if (header.size > 0) throw new Refusal(`${what} is a hard link with content`);
      const target = linkBytes(header, what);
      tree.addHardLink(path, entryPath(target, `${what} is a hard link to ${quoted(target)}, which`), metadata, what);
      return;
    }
    default:
      throw new Refusal(`${what} is ${KINDS[header.type ?? ""] ?? "of a kind that is not supported"}`);
  }
}

const KINDS: Readonly<Record<string, string>> = {
  "character-device": "a character device; leave it out of the archive",
  "block-device": "a block device; leave it out of the archive",
  fifo: "a FIFO; leave it out of the archive",
};

async function addFile(
  tree: Tree,
  content: AsyncIterable<Buffer>,
  path: string,
  metadata: Metadata,
  what: string,
): Promise<void> {
  const fd = tree.openFile(path, what);
  try {
    for await (const chunk of content) naming(what, () => writeWhole(fd, chunk));
    naming(what, () => setFileMetadata(fd, metadata));
  } finally {
    closeSync(fd);
  }
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

/** tar-stream reads owner and time from the fixed header alone; pax(1) records stand above it. */
function metadataOf(header: Header, what: string): Metadata {
  const { pax } = header;
  const uid = pax?.uid === undefined ? header.uid : Number(pax.uid);
  const gid = pax?.gid === undefined ? header.gid : Number(pax.gid);
  const mtime = pax?.mtime === undefined ? (header.mtime?.getTime() ?? Number.NaN) / 1000 : Number(pax.mtime);
  if (!isOwner(uid) || !isOwner(gid)) throw new Refusal(`${what} has an owner that is not a number`);
  if (!Number.isFinite(mtime)) throw new Refusal(`${what} has a time that is not a number`);
  if (!Number.isInteger(header.mode)) throw new Refusal(`${what} has a mode that is not a number`);
  return { mode: (header.mode ?? 0) & 0o7777, uid, gid, mtime };
}

const isOwner = (id: number | undefined): id is number =>
  id !== undefined && Number.isInteger(id) && id >= 0 && id <= LARGEST_OWNER;

const describe = (header: Header): string =>
  `entry ${quoted(header.pax?.path ? Buffer.from(header.pax.path).toString("latin1") : header.name)}`;

function linkBytes(header: Header, what: string): string {
  return nameBytes(header.linkname ?? "", header.pax?.linkpath, what);
}

/** A pax record holds UTF-8, and the reader has decoded it; a name of the fixed header has come as bytes. */
function nameBytes(name: string, record: string | undefined, what: string): string {
  if (!record) return name;
  if (record.includes("\ufffd")) throw new Refusal(`${what} has a pax name that is not UTF-8`);
  return Buffer.from(record).toString("latin1");
}

async function failureOf(promise: Promise<void> | undefined): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE" ? undefined : error;
  }
}

/** Words for what zlib and tar-stream say of a file that is no whole tar archive. */
function damage(error: unknown, last: string | undefined): string {
  const text = reason(error);
  if (/unexpected end/i.test(text))
    return last === undefined ? "not a tar archive, or truncated" : `truncated in ${last}`;
  if (/^invalid (tar )?header|exceeds max size/i.test(text))
    return last === undefined ? "not a tar archive" : `damaged after ${last}`;
  if ((error as NodeJS.ErrnoException).code?.startsWith("Z_")) return `damaged gzip data: ${text}`;
  return text;
}

/** An archive ends with blocks of zeros, tar(5). One that stops at the end of an entry would pass for whole without. */
class ArchiveEnd {
  #length = 0;
  #expected = 0;
  #tail: Buffer = Buffer.alloc(0);

  async *watch(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.#length += chunk.length;
      this.#tail = Buffer.concat([this.#tail, chunk.subarray(-BLOCK_BYTES)]).subarray(-BLOCK_BYTES);
      yield chunk;
    }
  }

  expectAfter(header: Header): void {
    const size = header.type === "directory" ? 0 : header.size;
    this.#expected = header.byteOffset + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES + BLOCK_BYTES;
  }

  check(last: string): void {
    if (this.#length < this.#expected || this.#tail.some((byte) => byte !== 0))
      throw new Refusal(`truncated after ${last}`);
  }
}
