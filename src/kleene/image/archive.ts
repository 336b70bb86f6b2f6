import { closeSync, createReadStream, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { decompressed, HEAD_BYTES } from "./compression.ts";
import { entryPath } from "./entry-path.ts";
import { refuseLayouts } from "./layout.ts";
import type { Making, Metadata } from "./metadata.ts";
import { imageFailure, naming, quoted, Refusal, reason } from "./refusal.ts";
import { type TarEntry, TarReader } from "./tar/entries.ts";
import { Tree } from "./tree.ts";

const READ_BYTES = 1024 * 1024;
/** The largest user and group number; the next one means "leave as it is" to chown(2). */
const LARGEST_OWNER = 0xfffffffe;

/**
 * Unpacks a tar archive, plain or compressed with gzip or xz, into an empty directory that only root can reach. Content
 * streams through: memory grows with the number of entries only. Whoever calls this removes the directory on failure.
 *
 * Kept: type, mode, owner by number, modification time, hard links, holes of sparse files, extended attributes. Left out:
 * device nodes, FIFOs, attributes that an image must not have or the file system does not take. Refused whole: what tar(5)
 * allows and an image must not have (see entryPath, checkLinkTarget and Tree), truncated archives, other tools' images.
 *
 * @throws {KleeError} HOST: `image creation failed: FILE: entry "../x" leads outside the image`.
 */
export async function unpackArchive(file: string, directory: string, making: Making): Promise<void> {
  try {
    await unpack(file, new Tree(directory, making), making);
    refuseLayouts(directory);
  } catch (error) {
    throw imageFailure(file, error);
  }
}

async function unpack(file: string, tree: Tree, making: Making): Promise<void> {
  const { fd, head } = openArchive(file);
  const source = createReadStream(file, { fd, highWaterMark: READ_BYTES });
  let reader: TarReader | undefined;
  try {
    reader = new TarReader(decompressed(head, join(head, source)));
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next())
      await addEntry(tree, reader, entry, making);
    tree.finish();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(damage(error, reader?.last), { cause: error });
  } finally {
    source.destroy();
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

async function addEntry(tree: Tree, reader: TarReader, entry: TarEntry, { leftOut }: Making): Promise<void> {
  const { type, size, what } = entry;
  const path = entryPath(entry.name, what);
  const metadata = metadataOf(entry);
  if (path === "" && type !== "directory") throw new Refusal(`${what} takes the place of the root directory`);
  switch (type) {
    case "directory":
      tree.addDirectory(path, metadata, what);
      return;
    case "file":
      await addFile(tree, reader, path, entry, metadata);
      return;
    case "symbolic link":
      if (size > 0) throw new Refusal(`${what} is a symbolic link with content`);
      tree.addSymbolicLink(path, entry.link, metadata, what);
      return;
    case "hard link": {
      if (size > 0) throw new Refusal(`${what} is a hard link with content`);
      const existing = entryPath(entry.link, `${what} is a hard link to ${quoted(entry.link)}, which`);
      tree.addHardLink(path, existing, metadata, what);
      return;
    }
    case "device":
    case "FIFO":
      if (tree.leaveOut(path, what)) leftOut.addFile(type, quoted(path));
      return;
    default:
      throw new Refusal(`${what} is of a kind that is not supported`);
  }
}

async function addFile(
  tree: Tree,
  reader: TarReader,
  path: string,
  entry: TarEntry,
  metadata: Metadata,
): Promise<void> {
  const { what, sparse } = entry;
  const fd = tree.openFile(path, what);
  try {
    if (sparse !== undefined) naming(what, () => ftruncateSync(fd, sparse.size));
    for await (const { offset, bytes } of reader.content(entry)) naming(what, () => writeWhole(fd, bytes, offset));
    tree.finishFile(path, metadata, what);
  } finally {
    closeSync(fd);
  }
}

function writeWhole(fd: number, bytes: Uint8Array, offset: number): void {
  for (let written = 0; written < bytes.length; )
    written += writeSync(fd, bytes, written, bytes.length - written, offset + written);
}

function metadataOf({ uid, gid, mtime, mode, attributes, what }: TarEntry): Metadata {
  if (!isOwner(uid) || !isOwner(gid)) throw new Refusal(`${what} has an owner that is not a number`);
  if (mtime === undefined) throw new Refusal(`${what} has a time that is not a number`);
  if (!Number.isInteger(mode)) throw new Refusal(`${what} has a mode that is not a number`);
  return { mode: mode & 0o7777, uid, gid, mtime, attributes };
}

const isOwner = (id: number): boolean => Number.isInteger(id) && id >= 0 && id <= LARGEST_OWNER;

/** Words for what zlib and the file system say of a file that is no whole tar archive. */
function damage(error: unknown, last: string | undefined): string {
  const text = reason(error);
  if (/unexpected end/i.test(text))
    return last === undefined ? "not a tar archive, or truncated" : `truncated in ${last}`;
  if ((error as NodeJS.ErrnoException).code?.startsWith("Z_")) return `damaged gzip data: ${text}`;
  return text;
}
