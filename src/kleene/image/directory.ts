import {
  type BigIntStats,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { type Metadata, setLinkMetadata, setPathMetadata } from "./metadata.ts";
import { imageFailure, naming, quoted, Refusal, reason } from "./refusal.ts";

const SEPARATOR = Buffer.from("/");

/**
 * Copies a directory's tree into an empty directory that only root can reach. Blocks are shared with the original where
 * the file system can. Kept: type, mode, owner, modification time, hard links within the tree, symbolic links as they
 * are. Device nodes, sockets and FIFOs are refused. The source itself may be named through a symbolic link; none within
 * it is followed. Whoever calls this removes the copy on failure.
 *
 * @throws {KleeError} HOST: `image creation failed: PATH: "dev/null" is a character device; ...`.
 */
export async function copyDirectory(source: string, directory: string): Promise<void> {
  try {
    const origin = realpathSync.native(source);
    const stats = lstatSync(origin, { bigint: true });
    if (!stats.isDirectory()) throw new Refusal("not a directory");
    if (`${realpathSync.native(directory)}/`.startsWith(origin === "/" ? "/" : `${origin}/`))
      throw new Refusal("holds klee's own store, which cannot be copied into itself");
    const copy = new Copy(Buffer.from(origin), Buffer.from(directory));
    await copy.fill(Buffer.alloc(0), stats);
  } catch (error) {
    throw imageFailure(source, error);
  }
}

/** One copy under way. Paths are relative to both trees, and Buffers, since a file name has bytes and no encoding. */
class Copy {
  readonly #source: Buffer;
  readonly #target: Buffer;
  /** Where a file with several names was copied to: by device and inode. */
  readonly #linked = new Map<string, Buffer>();

  constructor(source: Buffer, target: Buffer) {
    this.#source = source;
    this.#target = target;
  }

  /** Copies what is in a directory, then gives the copy the directory's own metadata. */
  async fill(path: Buffer, stats: BigIntStats): Promise<void> {
    const what = quoted(path.length === 0 ? "." : path.toString("latin1"));
    for (const name of naming(what, () => readdirSync(at(this.#source, path), { encoding: "buffer" })))
      await this.#copyEntry(path.length === 0 ? name : at(path, name));
    this.#expectSame(path, stats, what);
    naming(what, () => setPathMetadata(at(this.#target, path), metadataOf(stats)));
  }

  async #copyEntry(path: Buffer): Promise<void> {
    const what = quoted(path.toString("latin1"));
    const from = at(this.#source, path);
    const to = at(this.#target, path);
    const stats = naming(what, () => lstatSync(from, { bigint: true }));
    if (stats.isDirectory()) {
      naming(what, () => mkdirSync(to, 0o700));
      await this.fill(path, stats);
    } else if (stats.isSymbolicLink()) {
      naming(what, () => {
        symlinkSync(readlinkSync(from, { encoding: "buffer" }), to);
        setLinkMetadata(to, metadataOf(stats));
      });
    } else if (stats.isFile()) await this.#copyFile(path, stats, what);
    else throw new Refusal(`${what} is a ${kindOf(stats)}; leave it out of the directory`);
  }

  async #copyFile(path: Buffer, stats: BigIntStats, what: string): Promise<void> {
    const to = at(this.#target, path);
    const identity = `${stats.dev}:${stats.ino}`;
    const first = this.#linked.get(identity);
    if (first !== undefined) {
      naming(what, () => linkSync(first, to));
      return;
    }
    try {
      await copyFile(at(this.#source, path), to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    } catch (error) {
      throw new Refusal(`${what}: ${reason(error)}`, { cause: error });
    }
    this.#expectSame(path, stats, what);
    naming(what, () => setPathMetadata(to, metadataOf(stats)));
    if (stats.nlink > 1n) this.#linked.set(identity, to);
  }

  /** copyFile and readdir follow a symbolic link that somebody puts in the place of what was looked at before. */
  #expectSame(path: Buffer, stats: BigIntStats, what: string): void {
    const now = naming(what, () => lstatSync(at(this.#source, path), { bigint: true }));
    if (now.dev !== stats.dev || now.ino !== stats.ino || now.mode !== stats.mode)
      throw new Refusal(`${what} was replaced while it was copied`);
  }
}

const at = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, SEPARATOR, name]);

function metadataOf(stats: BigIntStats): Metadata {
  return {
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: Number(stats.mtimeNs) / 1e9,
  };
}

function kindOf(stats: BigIntStats): string {
  if (stats.isCharacterDevice()) return "character device";
  if (stats.isBlockDevice()) return "block device";
  return stats.isFIFO() ? "FIFO" : "socket";
}
