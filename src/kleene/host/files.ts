import type { BigIntStats } from "node:fs";

/** A file that is open; disposing of it closes it. */
export interface OpenFile extends Disposable {
  readonly number: number;
}

export type FileKind = "file" | "directory" | "link" | "device" | "FIFO" | "socket";

/** A name in a directory. */
export interface NamedEntry {
  readonly name: Buffer;
  /** Where the file system tells it with the name. */
  readonly kind?: FileKind | undefined;
}

/** What was found under a name: an open file or directory, or only what kind of file there is. */
export type Found =
  | { readonly kind: "file" | "directory"; readonly open: OpenFile }
  | { readonly kind: "link"; readonly link: FoundLink }
  | { readonly kind: Exclude<FileKind, "file" | "directory" | "link"> };

/** A symbolic link as it was found. */
export interface FoundLink {
  readonly target: Buffer;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970, or before. */
  readonly mtime: bigint;
}

/** A part of a file that has data; the rest are holes. */
export interface DataPart {
  readonly start: number;
  readonly end: number;
}

/**
 * A kernel's file calls that reach a tree by descriptors, so that nobody can put something else in the place of what was
 * looked at, and those that set what Node cannot. Names and paths are bytes. Attributes are named as Linux names them:
 * `user.KEY` is FreeBSD's KEY of the namespace `user`.
 */
export interface Files {
  /** Opens a directory by its path, following links. */
  openDirectory(path: string): OpenFile;
  /** What is in a directory, in the order of the names' bytes. */
  entries(directory: OpenFile): NamedEntry[];
  /** Opens a file or directory below another one: no link is followed, and a device is left alone. */
  find(directory: OpenFile, entry: NamedEntry): Found;
  /** Do all files here come from the kernel, as those of /proc do? */
  isKernels(directory: OpenFile): boolean;
  /** The next part with data at or after an offset; undefined where only a hole follows. */
  nextData(fd: number, offset: number): DataPart | undefined;
  /** Copies bytes to the same place of another file, sharing them where the file systems can. 0: they cannot. */
  copyRange(from: number, to: number, offset: number, length: number): number;
  /** Names of an open file's attributes. */
  attributeNames(fd: number): string[];
  attribute(fd: number, name: string): Buffer | undefined;
  /** May an image have an attribute of this name on this host? */
  keepsAttribute(name: string): boolean;
  /** False where the file system does not take it. */
  setAttribute(path: Buffer, name: string, value: Buffer): boolean;
  /** Sets a file's time, of a link its own: nanoseconds since 1970, or before. */
  setTime(path: Buffer, nanoseconds: bigint): void;
}

export function kindOf(stats: BigIntStats): FileKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "link";
  if (stats.isFIFO()) return "FIFO";
  return stats.isSocket() ? "socket" : "device";
}
