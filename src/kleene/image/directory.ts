import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { FoundLink, NamedEntry, OpenFile } from "../host/files.ts";
import { refuseLayouts } from "./layout.ts";
import { type Making, type Metadata, setLinkMetadata, setMetadata } from "./metadata.ts";
import { imageFailure, naming, quoted, Refusal } from "./refusal.ts";

const SEPARATOR = Buffer.from("/");
/** Bytes that are copied before others of this process have their turn; an entry counts as some. */
const TURN_BYTES = 32 * 1024 * 1024;
const ENTRY_BYTES = 64 * 1024;
const BUFFER_BYTES = 1024 * 1024;

/**
 * Copies a directory's tree into an empty directory that only root can reach. Blocks are shared with the original where
 * the file system can, and holes stay holes. Kept: type, mode, owner, modification time, hard links within the tree,
 * symbolic links as they are, extended attributes. Left out: device nodes, sockets, FIFOs, what the kernel shows in file
 * systems of its own that are mounted there, attributes that an image must not have. Whoever calls this removes the copy
 * on failure.
 *
 * The source may belong to somebody who changes it meanwhile: each file is opened below a directory that is open already,
 * through no link, and what is copied comes from the descriptor that was looked at. Only the source itself may be named
 * through a symbolic link.
 *
 * @throws {KleeError} HOST: `image creation failed: PATH: not a directory`.
 */
export async function copyDirectory(source: string, directory: string, making: Making): Promise<void> {
  try {
    await copyTree(source, directory, making);
    refuseLayouts(directory);
  } catch (error) {
    throw imageFailure(source, error);
  }
}

/** The same for a directory that is to be no image; its errors name the file alone. */
export async function copyTree(source: string, directory: string, making: Making): Promise<void> {
  const origin = realpathSync.native(source);
  if (!lstatSync(origin).isDirectory()) throw new Refusal("not a directory");
  if (`${realpathSync.native(directory)}/`.startsWith(origin === "/" ? "/" : `${origin}/`)) throw ownStore();
  using open = making.files.openDirectory(origin);
  await new Copy(directory, making).fill(open, Buffer.alloc(0), statsOf(open));
}

const ownStore = (): Refusal => new Refusal("holds klee's own store, which cannot be copied into itself");

/** One copy under way. Paths are relative to both trees, and Buffers, since a file name has bytes and no encoding. */
class Copy {
  readonly #target: Buffer;
  readonly #making: Making;
  /** Identity of the target: below itself it is not copied. */
  readonly #itself: string;
  /** Where a file with several names was copied to, by its identity. */
  readonly #linked = new Map<string, Buffer>();
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #turn = 0;

  constructor(target: string, making: Making) {
    this.#target = Buffer.from(target);
    this.#making = making;
    this.#itself = identityOf(lstatSync(target, { bigint: true }));
  }

  /** Copies what is in a directory, then gives the copy the directory's own metadata. */
  async fill(directory: OpenFile, path: Buffer, stats: BigIntStats): Promise<void> {
    const what = shown(path);
    const { files } = this.#making;
    for (const entry of naming(what, () => files.entries(directory)))
      await this.#copyEntry(directory, stats, path.length === 0 ? entry.name : at(path, entry.name), entry);
    naming(what, () => this.#setMetadata(directory, path, stats, what));
  }

  async #copyEntry(directory: OpenFile, parent: BigIntStats, path: Buffer, entry: NamedEntry): Promise<void> {
    const what = shown(path);
    const { files, leftOut } = this.#making;
    await this.#count(ENTRY_BYTES);
    const found = naming(what, () => files.find(directory, entry));
    switch (found.kind) {
      case "link":
        naming(what, () => this.#copyLink(found.link, at(this.#target, path)));
        return;
      case "file": {
        using open = found.open;
        await this.#copyFile(open, path, what);
        return;
      }
      case "directory": {
        using open = found.open;
        await this.#copyDirectory(open, parent, path, what);
        return;
      }
      default:
        leftOut.addFile(found.kind, what);
    }
  }

  async #copyDirectory(open: OpenFile, parent: BigIntStats, path: Buffer, what: string): Promise<void> {
    const stats = statsOf(open);
    if (identityOf(stats) === this.#itself) throw ownStore();
    naming(what, () => mkdirSync(at(this.#target, path), 0o700));
    const { files, leftOut } = this.#making;
    if (stats.dev !== parent.dev && naming(what, () => files.isKernels(open))) {
      leftOut.addKernels(what);
      naming(what, () => setMetadata(this.#making, at(this.#target, path), metadataOf(stats, new Map()), what));
    } else await this.fill(open, path, stats);
  }

  #copyLink({ target, uid, gid, mtime }: FoundLink, place: Buffer): void {
    symlinkSync(target, place);
    setLinkMetadata(this.#making, place, { mode: 0o777, uid, gid, mtime, attributes: new Map() });
  }

  async #copyFile(open: OpenFile, path: Buffer, what: string): Promise<void> {
    const to = at(this.#target, path);
    const stats = statsOf(open);
    const first = this.#linked.get(identityOf(stats));
    if (first !== undefined) {
      naming(what, () => linkSync(first, to));
      return;
    }
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = naming(what, () => openSync(to, flags, 0o600));
    try {
      await this.#copyContent(open.number, fd, Number(stats.size), what);
    } finally {
      closeSync(fd);
    }
    naming(what, () => this.#setMetadata(open, path, stats, what));
    if (stats.nlink > 1n) this.#linked.set(identityOf(stats), to);
  }

  /** The parts that have data. What is added meanwhile is not copied. */
  async #copyContent(from: number, to: number, size: number, what: string): Promise<void> {
    const { files } = this.#making;
    naming(what, () => ftruncateSync(to, size));
    for (let offset = 0; offset < size; ) {
      const part = naming(what, () => files.nextData(from, offset));
      if (part === undefined) break;
      const end = Math.min(part.end, size);
      for (offset = part.start; offset < end; ) {
        const length = Math.min(end - offset, TURN_BYTES);
        const copied = naming(what, () => this.#copyRange(from, to, offset, length));
        // It became shorter meanwhile.
        if (copied === 0) return;
        offset += copied;
        await this.#count(copied);
      }
    }
  }

  #copyRange(from: number, to: number, offset: number, length: number): number {
    const shared = this.#making.files.copyRange(from, to, offset, length);
    if (shared > 0) return shared;
    const read = readSync(from, this.#buffer, 0, Math.min(length, BUFFER_BYTES), offset);
    for (let written = 0; written < read; )
      written += writeSync(to, this.#buffer, written, read - written, offset + written);
    return read;
  }

  #setMetadata({ number }: OpenFile, path: Buffer, stats: BigIntStats, what: string): void {
    const { files } = this.#making;
    const attributes = new Map<string, Buffer>();
    for (const name of files.attributeNames(number))
      attributes.set(name, (files.keepsAttribute(name) ? files.attribute(number, name) : undefined) ?? Buffer.alloc(0));
    setMetadata(this.#making, at(this.#target, path), metadataOf(stats, attributes), what);
  }

  async #count(bytes: number): Promise<void> {
    this.#turn += bytes;
    if (this.#turn < TURN_BYTES) return;
    this.#turn = 0;
    await setImmediate();
  }
}

const at = (directory: Buffer, name: Buffer): Buffer =>
  name.length === 0 ? directory : Buffer.concat([directory, SEPARATOR, name]);

const shown = (path: Buffer): string => quoted(path.length === 0 ? "." : path.toString("latin1"));

const statsOf = ({ number }: OpenFile): BigIntStats => fstatSync(number, { bigint: true });

const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

function metadataOf(stats: BigIntStats, attributes: ReadonlyMap<string, Buffer>): Metadata {
  return {
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: stats.mtimeNs,
    attributes,
  };
}
