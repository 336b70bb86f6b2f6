import { readFileSync, statfsSync } from "node:fs";
import {
  BINFMTFS_MAGIC,
  BPF_FS_MAGIC,
  CGROUP_SUPER_MAGIC,
  CGROUP2_SUPER_MAGIC,
  DEBUGFS_MAGIC,
  DEVPTS_SUPER_MAGIC,
  EFIVARFS_MAGIC,
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  OVERLAYFS_SUPER_MAGIC,
  PROC_SUPER_MAGIC,
  PSTOREFS_MAGIC,
  SECURITYFS_MAGIC,
  SELINUX_MAGIC,
  SYSFS_MAGIC,
  TMPFS_MAGIC,
  TRACEFS_MAGIC,
  UMOUNT_NOFOLLOW,
} from "./abi/mount.ts";
import { cFunction, syscall, syscallError } from "./libc.ts";

const mountFunction = cFunction<[string | null, string, string | null, number, string | null], number>(
  "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
);
const umount2 = cFunction<[string, number], number>("int umount2(const char *target, int flags)");

const mountFlags = {
  readOnly: MS_RDONLY,
  noSuid: MS_NOSUID,
  noDev: MS_NODEV,
  noExec: MS_NOEXEC,
  remount: MS_REMOUNT,
  noAtime: MS_NOATIME,
  bind: MS_BIND,
  move: MS_MOVE,
  recursive: MS_REC,
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
} as const;

const unmountFlags = {
  force: MNT_FORCE,
  detach: MNT_DETACH,
  expire: MNT_EXPIRE,
  noFollow: UMOUNT_NOFOLLOW,
} as const;

/** What file systems are called and the number that statfs(2) has for them. */
export const fileSystemMagics = {
  cgroup2: CGROUP2_SUPER_MAGIC,
  overlay: OVERLAYFS_SUPER_MAGIC,
  proc: PROC_SUPER_MAGIC,
  tmpfs: TMPFS_MAGIC,
  bpf: BPF_FS_MAGIC,
  sysfs: SYSFS_MAGIC,
  devpts: DEVPTS_SUPER_MAGIC,
  cgroup: CGROUP_SUPER_MAGIC,
  debugfs: DEBUGFS_MAGIC,
  tracefs: TRACEFS_MAGIC,
  securityfs: SECURITYFS_MAGIC,
  pstore: PSTOREFS_MAGIC,
  efivarfs: EFIVARFS_MAGIC,
  selinuxfs: SELINUX_MAGIC,
  binfmt_misc: BINFMTFS_MAGIC,
} as const;

/** Flags of mount(2), as mount(8) calls them. */
export type MountFlag = keyof typeof mountFlags;
/** Flags of umount2(2). */
export type UnmountFlag = keyof typeof unmountFlags;
/** File systems that statfs(2) tells by their magic number. */
export type FileSystem = keyof typeof fileSystemMagics;

/** What mount(2) is told. */
export interface Mount {
  /** A device, a directory for `bind`, or any word for a file system without one. */
  readonly source: string;
  readonly target: string;
  /** Absent where the flags alone say what is meant: bind, remount, propagation. */
  readonly type?: string | undefined;
  readonly flags?: readonly MountFlag[] | undefined;
  /** Options of the file system, comma-separated. */
  readonly data?: string | undefined;
}

/** A line of /proc/self/mountinfo, proc_pid_mountinfo(5). */
export interface MountedFileSystem {
  readonly mountId: number;
  readonly parentId: number;
  /** The directory of the file system that is the root of this mount. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/**
 * Mounts a file system, mount(2). Equivalent to: `mount -t TYPE -o FLAGS,DATA SOURCE TARGET`.
 *
 * @throws {SyscallError}
 */
export function mount({ source, target, type, flags = [], data }: Mount): void {
  const bits = flags.reduce((sum, flag) => sum | mountFlags[flag], 0);
  const object = `${type ?? (flags.join(",") || source)} on ${target}`;
  syscall({ call: "mount", object }, () => mountFunction(source, target, type ?? null, bits, data ?? null));
}

/**
 * Unmounts, umount2(2). Equivalent to: `umount TARGET`.
 *
 * @throws {SyscallError} EINVAL when nothing is mounted there.
 */
export function unmount(target: string, ...flags: readonly UnmountFlag[]): void {
  const bits = flags.reduce((sum, flag) => sum | unmountFlags[flag], 0);
  syscall({ call: "umount2", object: target }, () => umount2(target, bits));
}

/** All mounts of this process's mount namespace, oldest first. */
export function listMounts(): MountedFileSystem[] {
  return parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"));
}

/**
 * Where a file system of this type is mounted whole: the first such mount, undefined when there is none.
 *
 * @param type as mount(8) names it: `cgroup2`.
 */
export function findMountPoint(type: string, mounts: readonly MountedFileSystem[] = listMounts()): string | undefined {
  return mounts.find((mounted) => mounted.type === type && mounted.root === "/")?.mountPoint;
}

/** Is the file at `path` on a file system of this kind? statfs(2). @throws {SyscallError} */
export function isOnFileSystem(path: string, fileSystem: FileSystem): boolean {
  return fileSystemMagic(path) === fileSystemMagics[fileSystem];
}

/** The number that names the file system of a path, `f_type` of statfs(2). @throws {SyscallError} */
export function fileSystemMagic(path: string): number {
  try {
    return statfsSync(path).type;
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    // Node's numbers are negative.
    if (errno === undefined) throw error;
    throw syscallError("statfs", path, -errno);
  }
}

/** Reads the text of /proc/PID/mountinfo; lines that are none are left out. */
export function parseMountinfo(text: string): MountedFileSystem[] {
  return text.split("\n").flatMap((line) => {
    // The optional fields before the dash vary in number.
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [mountId, parentId, , root, mountPoint, options] = fields;
    const [type, source, superOptions] = fields.slice(dash + 1);
    if (dash < 0 || root === undefined || mountPoint === undefined || type === undefined) return [];
    return [
      {
        mountId: Number(mountId),
        parentId: Number(parentId),
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        options: (options ?? "").split(","),
        type: unescapeOctal(type),
        source: unescapeOctal(source ?? ""),
        superOptions: (superOptions ?? "").split(","),
      },
    ];
  });
}

/** The kernel writes blank, tab, newline and backslash as `\040`, byte by byte: other bytes pass as they are. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
