import { constants, fstatSync, openSync } from "node:fs";
import { isErrno, SyscallError } from "../errno.ts";
import { cBytes, type DataPart, offsetCell, timespecs } from "../file-parts.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  dirent,
  EXTATTR_NAMESPACE_SYSTEM,
  EXTATTR_NAMESPACE_USER,
  O_NOFOLLOW,
  O_NONBLOCK,
  SEEK_DATA,
  SEEK_HOLE,
  stat as statStruct,
} from "./abi/directory.ts";
import { O_CLOEXEC, O_RDONLY } from "./abi/fcntl.ts";
import { statfs as statfsStruct } from "./abi/mount.ts";
import { Fd } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";

export type { DataPart } from "../file-parts.ts";
export { DT_BLK, DT_CHR, DT_DIR, DT_FIFO, DT_LNK, DT_REG, DT_SOCK, DT_UNKNOWN } from "./abi/directory.ts";

const openat = cFunction<[number, Buffer, number], number>("int openat(int fd, const void *path, int flags, ...)");
const fstatat = cFunction<[number, Buffer, Buffer, number], number>(
  "int fstatat(int fd, const void *path, void *sb, int flag)",
);
const readlinkat = cFunction<[number, Buffer, Buffer, number], number>(
  "intptr_t readlinkat(int fd, const void *path, void *buf, size_t bufsize)",
);
const getdirentries = cFunction<[number, Buffer, number, Buffer], number>(
  "intptr_t getdirentries(int fd, void *buf, size_t nbytes, void *basep)",
);
const lseek = cFunction<[number, number, number], number>("int64_t lseek(int fildes, int64_t offset, int whence)");
const copy_file_range = cFunction<[number, Buffer, number, Buffer, number, number], number>(
  "intptr_t copy_file_range(int infd, void *inoffp, int outfd, void *outoffp, size_t len, unsigned int flags)",
);
const fstatfs = cFunction<[number, Buffer], number>("int fstatfs(int fd, void *buf)");
const utimensat = cFunction<[number, Buffer, Buffer, number], number>(
  "int utimensat(int fd, const void *path, const void *times, int flag)",
);
const extattr_list_fd = cFunction<[number, number, Buffer, number], number>(
  "intptr_t extattr_list_fd(int fd, int attrnamespace, void *data, size_t nbytes)",
);
const extattr_get_fd = cFunction<[number, number, Buffer, Buffer, number], number>(
  "intptr_t extattr_get_fd(int fd, int attrnamespace, const void *attrname, void *data, size_t nbytes)",
);
const extattr_set_link = cFunction<[Buffer, number, Buffer, Buffer, number], number>(
  "intptr_t extattr_set_link(const void *path, int attrnamespace, const void *attrname, const void *data, size_t nbytes)",
);

/** Where `d_name` of a directory's entry begins. */
const DIRENT_NAME = 24;
const ENTRIES_BYTES = 32_768;
const LINK_BYTES = 1024;
const LIST_BYTES = 65_536;
const VALUE_BYTES = 65_536;

/** An open file, whoever is to close it. */
/** What holds an open descriptor. */
export type Descriptor = Pick<Fd, "number">;

/** What a directory has under a name. */
export interface DirectoryEntry {
  readonly name: Buffer;
  /** DT_* of dirent.h; DT_UNKNOWN: the file system does not tell. */
  readonly type: number;
}

/** The namespaces of extattr(2). */
export const namespaces = { user: EXTATTR_NAMESPACE_USER, system: EXTATTR_NAMESPACE_SYSTEM } as const;
/** Where an extended attribute lies: the user's own, or the system's. */
export type AttributeNamespace = keyof typeof namespaces;

/**
 * Opens a directory, following links. All that is in it is reached through this descriptor from then on.
 * @throws Node's error, with errno's name.
 */
export function openDirectory(path: string): Fd {
  return new Fd(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), path);
}

/**
 * Opens for reading what a directory has under a name, following no link and waiting for no other end of a pipe,
 * openat(2).
 * @throws {SyscallError} EMLINK for a symbolic link.
 */
export function openIn(directory: Descriptor, name: Buffer): Fd {
  const path = cBytes(name);
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  return Fd.of({ call: "openat", object: name.toString() }, () => openat(directory.number, path, flags));
}

/** What is in an open directory, getdirentries(2), in the order of the names' bytes. @throws {SyscallError} */
export function entriesIn(directory: Descriptor): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  const [room, base] = [Buffer.alloc(ENTRIES_BYTES), Buffer.alloc(8)];
  for (;;) {
    const read = () => getdirentries(directory.number, room, room.length, base);
    const length = syscall({ call: "getdirentries", object: "" }, read);
    if (length === 0) break;
    entries.push(...decodeEntries(room.subarray(0, length)));
  }
  return entries.sort((one, other) => Buffer.compare(one.name, other.name));
}

/** The entries of a buffer that getdirentries(2) filled, without `.` and `..`. */
export function decodeEntries(bytes: Buffer): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at + DIRENT_NAME <= bytes.length; ) {
    // The last record ends with its name: it may be shorter than the struct.
    const record = Buffer.concat([bytes.subarray(at), Buffer.alloc(dirent.size)]);
    const { d_reclen, d_type, d_namlen, d_fileno } = dirent.decode(record);
    if (d_reclen < DIRENT_NAME) break;
    const name = Buffer.from(bytes.subarray(at + DIRENT_NAME, at + DIRENT_NAME + d_namlen));
    const own = name.equals(Buffer.from(".")) || name.equals(Buffer.from(".."));
    if (d_fileno !== 0n && !own) entries.push({ name, type: d_type });
    at += d_reclen;
  }
  return entries;
}

/** A symbolic link. */
export interface SymbolicLink {
  readonly target: Buffer;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970, or before. */
  readonly mtime: bigint;
}

/** A symbolic link of an open directory, readlinkat(2), fstatat(2). @throws {SyscallError} EINVAL when it is none. */
export function linkIn(directory: Descriptor, name: Buffer): SymbolicLink {
  const [path, target, stats] = [cBytes(name), Buffer.alloc(LINK_BYTES), Buffer.alloc(statStruct.size)];
  const object = name.toString();
  const read = () => readlinkat(directory.number, path, target, target.length);
  const length = syscall({ call: "readlinkat", object }, read);
  syscall({ call: "fstatat", object }, () => fstatat(directory.number, path, stats, AT_SYMLINK_NOFOLLOW));
  const { st_uid, st_gid, st_mtim } = statStruct.decode(stats);
  const mtime = st_mtim.tv_sec * 1_000_000_000n + st_mtim.tv_nsec;
  return { target: target.subarray(0, length), uid: st_uid, gid: st_gid, mtime };
}

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
    if (error.code !== "EINVAL" && error.code !== "ENOTTY") throw error;
    const { size } = fstatSync(fd);
    return offset < size ? { start: offset, end: size } : undefined;
  }
}

/**
 * Copies bytes from one file to the same place of another, copy_file_range(2), of release 13. ZFS can share them.
 * @returns how many were copied.
 * @throws {SyscallError} EINVAL and others where the file systems cannot: read and write, then.
 */
export function copyRange(from: number, to: number, offset: number, length: number): number {
  const [source, target] = [offsetCell(offset), offsetCell(offset)];
  return syscall({ call: "copy_file_range", object: "" }, () => copy_file_range(from, source, to, target, length, 0));
}

/** Name of the file system that holds an open file, fstatfs(2): `zfs`, `devfs`. @throws {SyscallError} */
export function fileSystemOf(fd: number): string {
  const buffer = Buffer.alloc(statfsStruct.size);
  syscall({ call: "fstatfs", object: "" }, () => fstatfs(fd, buffer));
  return statfsStruct.decode(buffer).f_fstypename;
}

/** Names of an open file's extended attributes in a namespace, extattr_list_fd(2); none where its file system has none. */
export function attributeNames(fd: number, namespace: AttributeNamespace): string[] {
  const list = Buffer.alloc(LIST_BYTES);
  const ask = () => extattr_list_fd(fd, namespaces[namespace], list, list.length);
  const length = orNone(() => syscall({ call: "extattr_list_fd", object: namespace }, ask)) ?? 0;
  const names: string[] = [];
  // Each name has its length before it.
  for (let at = 0; at < length; at += 1 + list.readUInt8(at))
    names.push(list.toString("latin1", at + 1, at + 1 + list.readUInt8(at)));
  return names;
}

/** An extended attribute's value, extattr_get_fd(2); undefined when there is none. @throws {SyscallError} */
export function attribute(fd: number, namespace: AttributeNamespace, name: string): Buffer | undefined {
  const [cName, value] = [cBytes(Buffer.from(name, "latin1")), Buffer.alloc(VALUE_BYTES)];
  const ask = () => extattr_get_fd(fd, namespaces[namespace], cName, value, value.length);
  const length = orNone(() => syscall({ call: "extattr_get_fd", object: name }, ask));
  return length === undefined ? undefined : Buffer.from(value.subarray(0, length));
}

/** Gives a file an extended attribute, extattr_set_link(2). @throws {SyscallError} EOPNOTSUPP where there are none. */
export function setAttribute(path: Buffer, namespace: AttributeNamespace, name: string, value: Buffer): void {
  const [cPath, cName] = [cBytes(path), cBytes(Buffer.from(name, "latin1"))];
  // koffi passes no pointer to an empty array.
  const bytes = value.length === 0 ? Buffer.alloc(1) : value;
  const set = () => extattr_set_link(cPath, namespaces[namespace], cName, bytes, value.length);
  syscall({ call: "extattr_set_link", object: name }, set);
}

/** Sets both times of a file, of a symbolic link its own, utimensat(2): in nanoseconds since 1970, or before. */
export function setTimes(path: Buffer, nanoseconds: bigint): void {
  const [cPath, times] = [cBytes(path), timespecs(nanoseconds)];
  const set = () => utimensat(AT_FDCWD, cPath, times, AT_SYMLINK_NOFOLLOW);
  syscall({ call: "utimensat", object: path.toString() }, set);
}

function orNone(ask: () => number): number | undefined {
  try {
    return ask();
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP", "ENOATTR")) return undefined;
    throw error;
  }
}
