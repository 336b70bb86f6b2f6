import { readFileSync, statfsSync } from "node:fs";
import { fileSystemMagics, mountFlags, unmountFlags } from "./abi/mount.ts";
import { call, libc, syscallError } from "./libc.ts";

export type MountFlag = keyof typeof mountFlags;
export type UnmountFlag = keyof typeof unmountFlags;
export type FileSystem = keyof typeof fileSystemMagics;

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
  call("mount", `${type ?? (flags.join(",") || source)} on ${target}`, () =>
    libc.mount(source, target, type ?? null, bits, data ?? null),
  );
}

/**
 * Unmounts, umount2(2). Equivalent to: `umount TARGET`.
 *
 * @throws {SyscallError} EINVAL when nothing is mounted there.
 */
export function unmount(target: string, ...flags: readonly UnmountFlag[]): void {
  const bits = flags.reduce((sum, flag) => sum | unmountFlags[flag], 0);
  call("umount2", target, () => libc.umount2(target, bits));
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
