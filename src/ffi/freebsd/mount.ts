import { decodeCString, encodeCString } from "../struct.ts";
import { MNT_FORCE, MNT_NOWAIT, MNT_RDONLY, statfs as statfsStruct } from "./abi/mount.ts";
import { type IovPair, layOutIovec, room, valueAt } from "./iovec.ts";
import { cFunction, syscall } from "./libc.ts";

const nmount = cFunction<[Buffer, number, number], number>("int nmount(void *iov, unsigned int niov, int flags)");
const unmountCall = cFunction<[string, number], number>("int unmount(const char *dir, int flags)");
const statfs = cFunction<[string, Buffer], number>("int statfs(const char *path, void *buf)");
const getfsstat = cFunction<[Buffer | null, number, number], number>(
  "int getfsstat(void *buf, long bufsize, int mode)",
);

/** Room for the kernel's message; vfs_buildopts takes no more than this. */
const ERRMSG_SIZE = 255;
/** Room for so many file systems at first, more than most hosts have; then for so many times as many. */
const MOUNTS = 512;
const GROWTH = 4;

/** A file system to mount. */
export interface MountRequest {
  /** `nullfs`, `devfs`, `tmpfs`, `zfs`, `procfs`, `fdescfs` */
  readonly type: string;
  /** Directory to mount on, absolute. */
  readonly path: string;
  /** The file system's own options; true is one without a value (`ro`, `nosuid`). */
  readonly options?: Readonly<Record<string, string | true>>;
  readonly readOnly?: boolean;
}

/** The options of nmount(2), in order. @throws {FieldError} when one holds a NUL. */
export function encodeMount({ type, path, options = {} }: MountRequest): IovPair[] {
  const named: Readonly<Record<string, string | true>> = { fstype: type, fspath: path, ...options };
  return Object.entries(named).map(([name, value]) => ({
    name,
    value: value === true ? Buffer.alloc(0) : encodeCString(value, name),
  }));
}

/**
 * Mounts a file system, nmount(2).
 *
 * @throws {SyscallError} ENODEV when there is no such type and no module for it, with the kernel's message if it has one.
 */
export function mount(request: MountRequest): void {
  const pairs = encodeMount(request);
  const iov = layOutIovec([...pairs, room("errmsg", ERRMSG_SIZE)]);
  const kernelText = () => decodeCString(valueAt(iov, pairs.length));
  const flags = request.readOnly ? MNT_RDONLY : 0;
  syscall({ call: "nmount", object: `${request.type} ${request.path}`, kernelText }, () =>
    nmount(iov.memory, iov.count, flags),
  );
}

/** Shows a directory at another place, nullfs(5). @throws {SyscallError} */
export function mountNullfs(source: string, path: string, readOnly = false): void {
  mount({ type: "nullfs", path, options: { target: source }, readOnly });
}

/**
 * Mounts device nodes, devfs(5).
 *
 * @param ruleset number of the ruleset that hides nodes; 0 shows all. See devfs.ts for what rulesets there are.
 */
export function mountDevfs(path: string, ruleset: number): void {
  mount({ type: "devfs", path, options: { from: ".", ...(ruleset > 0 && { ruleset: String(ruleset) }) } });
}

/** Mounts memory as a file system, tmpfs(5). @param size limit in bytes; none unless told. */
export function mountTmpfs(path: string, size?: number): void {
  mount({ type: "tmpfs", path, ...(size !== undefined && { options: { size: String(size) } }) });
}

/** Mounts a ZFS dataset, whatever its `mountpoint` says. @throws {SyscallError} EBUSY when it is mounted. */
export function mountZfs(dataset: string, path: string, readOnly = false): void {
  mount({ type: "zfs", path, options: { from: dataset }, readOnly });
}

/** Unmounts what is mounted on a directory, unmount(2). @throws {SyscallError} EINVAL when nothing is, EBUSY in use. */
export function unmount(path: string, options: { readonly force?: boolean } = {}): void {
  syscall({ call: "unmount", object: path }, () => unmountCall(path, options.force ? MNT_FORCE : 0));
}

/** A mounted file system. */
export interface Mount {
  /** `zfs`, `nullfs`, `devfs` */
  readonly type: string;
  /** Dataset, directory or device. */
  readonly source: string;
  readonly path: string;
  /** MNT_* of sys/mount.h. */
  readonly flags: bigint;
  /** Bytes in all and free for users. */
  readonly size: bigint;
  readonly available: bigint;
}

/** Reads a `struct statfs`. */
export function decodeMount(bytes: Buffer, offset = 0): Mount {
  const entry = statfsStruct.decode(bytes, offset);
  return {
    type: entry.f_fstypename,
    source: entry.f_mntfromname,
    path: entry.f_mntonname,
    flags: entry.f_flags,
    size: entry.f_blocks * entry.f_bsize,
    available: entry.f_bavail * entry.f_bsize,
  };
}

/** The file system that holds a file, statfs(2). @throws {SyscallError} ENOENT */
export function mountOf(path: string): Mount {
  const buffer = Buffer.alloc(statfsStruct.size);
  syscall({ call: "statfs", object: path }, () => statfs(path, buffer));
  return decodeMount(buffer);
}

/** All mounted file systems, in the order in which they were mounted, getfsstat(2). @throws {SyscallError} */
export function mounts(): Mount[] {
  for (let room = MOUNTS; ; room *= GROWTH) {
    const buffer = Buffer.alloc(room * statfsStruct.size);
    const filled = syscall({ call: "getfsstat", object: "" }, () => getfsstat(buffer, buffer.length, MNT_NOWAIT));
    // It says how many it filled in, not how many there are.
    if (filled < room)
      return Array.from({ length: filled }, (_, index) => decodeMount(buffer, index * statfsStruct.size));
  }
}
