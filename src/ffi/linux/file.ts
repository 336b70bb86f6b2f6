import { constants as flags, fstatSync, openSync, readdirSync } from "node:fs";
import { isErrno, SyscallError } from "../errno.ts";
import { cBytes, type DataPart, offsetCell, timespecs } from "../file-parts.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH, RENAME_NOREPLACE, S_IFCHR, SEEK_DATA, SEEK_HOLE } from "./abi/file.ts";
import { Fd } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";

const readlinkat = cFunction<[number, Uint8Array, Uint8Array, number], number>(
  "intptr_t readlinkat(int dirfd, void *path, void *buf, size_t size)",
);
const lseek = cFunction<[number, number, number], number>("int64_t lseek(int fd, int64_t offset, int whence)");
const copy_file_range = cFunction<[number, Uint8Array, number, Uint8Array, number, number], number>(
  "intptr_t copy_file_range(int in, void *off_in, int out, void *off_out, size_t size, unsigned int flags)",
);
const flistxattr = cFunction<[number, Uint8Array, number], number>(
  "intptr_t flistxattr(int fd, void *list, size_t size)",
);
const fgetxattr = cFunction<[number, Uint8Array, Uint8Array, number], number>(
  "intptr_t fgetxattr(int fd, void *name, void *value, size_t size)",
);
const lsetxattr = cFunction<[Uint8Array, Uint8Array, Uint8Array, number, number], number>(
  "int lsetxattr(void *path, void *name, void *value, size_t size, int flags)",
);
/** The device number as the syscall takes it, which is glibc's own for small ones. */
const mknod = cFunction<[string, number, number], number>(
  "int mknod(const char *path, unsigned int mode, uint64_t dev)",
);
const utimensat = cFunction<[number, Uint8Array, Uint8Array, number], number>(
  "int utimensat(int dirfd, void *path, void *times, int flags)",
);
const renameat2 = cFunction<[number, Uint8Array, number, Uint8Array, number], number>(
  "int renameat2(int olddirfd, void *oldpath, int newdirfd, void *newpath, unsigned int flags)",
);

export type { DataPart } from "../file-parts.ts";

/** An open directory, or what is held. */
export interface Descriptor {
  readonly number: number;
}

/** What the file system of a file must know for extended attributes; others have none. */
const NONE: readonly string[] = ["EOPNOTSUPP", "ENODATA", "ENOSYS"];
/** XATTR_LIST_MAX and XATTR_SIZE_MAX, linux/limits.h. */
const LIST_BYTES = 65_536;
const VALUE_BYTES = 65_536;
/** PATH_MAX, linux/limits.h. */
const LINK_BYTES = 4096;

/**
 * Opens a directory, following links. All that is in it is reached through this descriptor from then on.
 * @throws Node's error, with errno's name.
 */
export function openDirectory(path: string): Fd {
  return new Fd(openSync(path, flags.O_RDONLY | flags.O_DIRECTORY), path);
}

/**
 * Takes hold of what a directory has under a name, as it is and without any effect on it: no link is followed, no device
 * opened. openat(2) with O_PATH, through the name that /proc gives the descriptor.
 * @throws Node's error.
 */
export function hold(directory: Descriptor, name: Buffer): Fd {
  const path = below(directory, name);
  return new Fd(openSync(path, O_PATH | flags.O_NOFOLLOW), name.toString());
}

/** Opens for reading what is held: the same file or directory, whatever has become of its name. @throws Node's error. */
export function openHeld(held: Fd): Fd {
  return new Fd(openSync(`/proc/self/fd/${held.number}`, flags.O_RDONLY | flags.O_NOCTTY), held.object);
}

/** The names in an open directory, in the order of their bytes. @throws Node's error. */
export function namesIn(directory: Descriptor): Buffer[] {
  return readdirSync(`/proc/self/fd/${directory.number}`, { encoding: "buffer" }).sort(Buffer.compare);
}

/** Where the symbolic link that is held points, readlinkat(2). @throws {SyscallError} EINVAL when it is no link. */
export function targetOf(held: Fd): Buffer {
  const target = Buffer.alloc(LINK_BYTES);
  const read = () => readlinkat(held.number, Buffer.alloc(1), target, target.length);
  return target.subarray(0, syscall({ call: "readlinkat", object: held.object }, read));
}

const below = (directory: Descriptor, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${directory.number}/`), name]);

/**
 * The next part of a file that has data, from an offset on, lseek(2) with SEEK_DATA and SEEK_HOLE. A file system that
 * does not know where holes are has one part for all.
 * @returns undefined when nothing but a hole follows.
 * @throws {SyscallError}
 */
export function nextData(fd: number, offset: number): DataPart | undefined {
  try {
    const start = syscall({ call: "lseek", object: "SEEK_DATA" }, () => lseek(fd, offset, SEEK_DATA));
    return { start, end: syscall({ call: "lseek", object: "SEEK_HOLE" }, () => lseek(fd, start, SEEK_HOLE)) };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === "ENXIO") return undefined;
    if (error.code !== "EINVAL") throw error;
    const { size } = fstatSync(fd);
    return offset < size ? { start: offset, end: size } : undefined;
  }
}

/**
 * Copies bytes from one file to the same place of another, copy_file_range(2). File systems that can share them.
 * @returns how many were copied.
 * @throws {SyscallError} EXDEV, EINVAL or EOPNOTSUPP where the file systems cannot: read and write, then.
 */
export function copyRange(from: number, to: number, offset: number, length: number): number {
  const [source, target] = [offsetCell(offset), offsetCell(offset)];
  return syscall({ call: "copy_file_range", object: "" }, () => copy_file_range(from, source, to, target, length, 0));
}

/** Names of the extended attributes of an open file, flistxattr(2); none where its file system has none. */
export function attributeNames(fd: number): string[] {
  const list = Buffer.alloc(LIST_BYTES);
  const length = orNone(() => syscall({ call: "flistxattr", object: "" }, () => flistxattr(fd, list, list.length)));
  return list
    .toString("latin1", 0, length ?? 0)
    .split("\0")
    .filter(Boolean);
}

/** An extended attribute's value, fgetxattr(2); undefined when there is none. @throws {SyscallError} */
export function attribute(fd: number, name: string): Buffer | undefined {
  const value = Buffer.alloc(VALUE_BYTES);
  const cName = cBytes(Buffer.from(name, "latin1"));
  const length = orNone(() =>
    syscall({ call: "fgetxattr", object: name }, () => fgetxattr(fd, cName, value, value.length)),
  );
  return length === undefined ? undefined : Buffer.from(value.subarray(0, length));
}

/** Gives a file an extended attribute, lsetxattr(2). @throws {SyscallError} EOPNOTSUPP where there are none. */
export function setAttribute(path: Buffer, name: string, value: Buffer): void {
  const [cPath, cName] = [cBytes(path), cBytes(Buffer.from(name, "latin1"))];
  // koffi passes no pointer to an empty array.
  const bytes = value.length === 0 ? Buffer.alloc(1) : value;
  syscall({ call: "lsetxattr", object: name }, () => lsetxattr(cPath, cName, bytes, value.length, 0));
}

/**
 * Makes a whiteout: in a layer of an overlay it says that what the layers below have of this name is not there. A
 * character device with the number 0, Documentation/filesystems/overlayfs.rst; mknod(2), which asks no privilege for it.
 *
 * @throws {SyscallError} EEXIST; EPERM where the file system has no devices.
 */
export function makeWhiteout(path: string): void {
  syscall({ call: "mknod", object: path }, () => mknod(path, S_IFCHR, 0));
}

/** Sets both times of a file, of a symbolic link its own, utimensat(2): in nanoseconds since 1970, or before. */
export function setTimes(path: Buffer, nanoseconds: bigint): void {
  const [cPath, times] = [cBytes(path), timespecs(nanoseconds)];
  syscall({ call: "utimensat", object: path.toString() }, () => utimensat(AT_FDCWD, cPath, times, AT_SYMLINK_NOFOLLOW));
}

/** Renames a file unless there is one of the new name, renameat2(2). @throws {SyscallError} EEXIST when there is. */
export function renameNew(from: string, to: string): void {
  const [cFrom, cTo] = [cBytes(Buffer.from(from)), cBytes(Buffer.from(to))];
  syscall({ call: "renameat2", object: to }, () => renameat2(AT_FDCWD, cFrom, AT_FDCWD, cTo, RENAME_NOREPLACE));
}

function orNone(ask: () => number): number | undefined {
  try {
    return ask();
  } catch (error) {
    if (isErrno(error, ...NONE)) return undefined;
    throw error;
  }
}
