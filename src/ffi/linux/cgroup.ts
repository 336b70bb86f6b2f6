import {
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { lazy } from "../library.ts";
import { traceCall, traceStart } from "../trace.ts";
import { errnoTable } from "./abi/errno.ts";
import { CGROUP2_SUPER_MAGIC } from "./abi/mount.ts";
import { type Fd, openFile } from "./fd.ts";
import { tryFlock } from "./flock.ts";
import { errnoName, syscallError } from "./libc.ts";
import { listMounts } from "./mount.ts";

// cgroups(7), version 2.

/** The kernel gives the root of the hierarchy this id, whatever is mounted where. */
const ROOT_ID = 1n;

/** A mount of cgroup2. */
export interface CgroupMount {
  readonly path: string;
  /** Is it the root of the hierarchy? False in a cgroup namespace, and where a part of the tree is mounted. */
  readonly isRoot: boolean;
}

/** Where cgroup2 is mounted by custom: alone, or beside the hierarchies of version 1. */
const CUSTOMARY = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** Where the root of the cgroup2 hierarchy is mounted; undefined when it is nowhere. */
export function cgroupRoot(): string | undefined {
  // The table of all mounts takes a millisecond to read.
  const customary = CUSTOMARY.find((path) => isCgroup2(path) && isRoot(path));
  return customary ?? cgroupMounts().find((mount) => mount.isRoot)?.path;
}

/** Where cgroup2 is mounted; what other mounts hide, or has lost its directory, is left out. */
export function cgroupMounts(): CgroupMount[] {
  return listMounts().flatMap(({ type, mountPoint: path }) => {
    return type === "cgroup2" && isCgroup2(path) ? [{ path, isRoot: isRoot(path) }] : [];
  });
}

const isCgroup2 = (path: string): boolean =>
  ifPresent("statfs", path, () => statfsSync(path).type) === CGROUP2_SUPER_MAGIC;

const isRoot = (path: string): boolean => cgroupId(path) === ROOT_ID;

/**
 * Makes a cgroup, mkdir(2).
 *
 * @returns false when there is one already.
 * @throws {SyscallError} ENOENT when its parent has gone.
 */
export function makeCgroup(path: string): boolean {
  return attempt("mkdir", path, ["EEXIST"], () => mkdirSync(path, 0o755));
}

/**
 * Removes an empty cgroup, rmdir(2). One that has gone already is no error.
 *
 * @returns false when it still has processes or children.
 * @throws {SyscallError}
 */
export function removeCgroup(path: string): boolean {
  return attempt("rmdir", path, ["EBUSY", "ENOTEMPTY"], () => {
    try {
      rmdirSync(path);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  });
}

/**
 * Writes to a file of a cgroup, as `memory.max`.
 *
 * @param value in the file's own unit, cgroups(7).
 * @throws {SyscallError} ENOENT where the file's controller is not enabled, EINVAL for what it does not take.
 */
export function setControl(path: string, file: string, value: number | string): void {
  const control = `${path}/${file}`;
  attempt("write", control, [], () => writeFileSync(control, String(value)));
}

/**
 * Moves a process with all its threads into a cgroup of its hierarchy, cgroup.procs.
 *
 * @returns false when it has ended.
 * @throws {SyscallError} ENOENT when there is no such cgroup.
 */
export function moveProcess(pid: number, path: string): boolean {
  return attempt("write", `${path}/cgroup.procs`, ["ESRCH"], () => writeFileSync(`${path}/cgroup.procs`, String(pid)));
}

/** Controllers that a cgroup can give to its children, cgroup.controllers; none when there is no such cgroup. */
export function controllersOf(path: string): string[] {
  const list = readControl(path, "cgroup.controllers") ?? "";
  return list.split(/\s+/).filter(Boolean);
}

/** Where the hierarchy of version 1 is mounted that has a controller; undefined when none has it. cgroups(7) */
export function legacyHierarchy(controller: string): string | undefined {
  return legacyMounts().find(({ superOptions }) => superOptions.includes(controller))?.mountPoint;
}

// Mounted at boot: not worth a look for each container.
const legacyMounts = lazy(() => listMounts().filter(({ type, root }) => type === "cgroup" && root === "/"));

/** Kills every process of a cgroup and its descendants at once, cgroup.kill (Linux 5.14). */
export function killCgroup(path: string): void {
  const control = `${path}/cgroup.kill`;
  attempt("write", control, ["ENOENT", "ENODEV"], () => writeFileSync(control, "1"));
}

/** Does a process live in the cgroup or a descendant? False as well when there is no such cgroup. */
export function isPopulated(path: string): boolean {
  const events = readControl(path, "cgroup.events");
  return events !== undefined && /^populated 1$/m.test(events);
}

/** Pids of a cgroup and its descendants, as this pid namespace numbers them; none when there is no such cgroup. */
export function processesOf(path: string): number[] {
  return [...ownProcessesOf(path), ...childrenOf(path).flatMap((child) => processesOf(`${path}/${child}`))];
}

/** {@link processesOf} without the descendants. */
export function ownProcessesOf(path: string): number[] {
  const own = readControl(path, "cgroup.procs") ?? "";
  // 0 stands for a process that this namespace cannot see.
  return own
    .split("\n")
    .filter((line) => line !== "" && line !== "0")
    .map(Number);
}

/** What a cgroup and those below it have used, and use. */
export interface CgroupUsage {
  /** Of all processes that are or were in the cgroup or below. */
  readonly cpuMicroseconds: number;
  /** Bytes; undefined where the memory controller is not enabled for the cgroup. */
  readonly memoryBytes: number | undefined;
}

/** What a cgroup and its descendants use, cpu.stat and memory.current; undefined when there is no such cgroup. */
export function cgroupUsage(path: string): CgroupUsage | undefined {
  const stat = readControl(path, "cpu.stat");
  if (stat === undefined) return undefined;
  const memory = readControl(path, "memory.current");
  return {
    cpuMicroseconds: Number(/^usage_usec (\d+)$/m.exec(stat)?.[1] ?? 0),
    memoryBytes: memory === undefined ? undefined : Number(memory),
  };
}

/** Links of a directory without children: its name, and the "." in it. */
const LINKS_WITHOUT_CHILDREN = 2;

/** Has a cgroup children? False as well when there is no such cgroup. stat(2): each child's ".." is a link. */
export function hasChildren(path: string): boolean {
  const links = ifPresent("stat", path, () => statSync(path).nlink);
  return links !== undefined && links > LINKS_WITHOUT_CHILDREN;
}

/** Names of a cgroup's children; none when there is no such cgroup. */
export function childrenOf(path: string): string[] {
  const entries = ifPresent("readdir", path, () => readdirSync(path, { withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** The id that BPF programs know a cgroup by, never used again: its directory's inode number. */
export function cgroupId(path: string): bigint | undefined {
  return ifPresent("stat", path, () => statSync(path, { bigint: true }).ino);
}

/**
 * Opens a cgroup's directory.
 *
 * @returns undefined when there is none.
 * @throws {SyscallError}
 */
export function openCgroup(path: string): Fd | undefined {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  try {
    return openFile(path, flags);
  } catch (error) {
    return unlessAbsent(error);
  }
}

/** Path of an open cgroup's directory, which never leads to another one of the same name. */
export function pathOfOpen(cgroup: Fd): string {
  return `/proc/self/fd/${cgroup.number}`;
}

/**
 * Takes the exclusive lock on an open cgroup if nobody holds it, flock(2). It goes when the descriptor is closed.
 *
 * @returns false when it is held elsewhere.
 * @throws {SyscallError}
 */
export function tryLockCgroup(cgroup: Fd): boolean {
  return tryFlock(cgroup);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The text of a file of a cgroup; undefined when there is no such cgroup, or it has no such file. */
const readControl = (path: string, name: string): string | undefined =>
  ifPresent("read", `${path}/${name}`, () => readFileSync(`${path}/${name}`, "utf8"));

/** Makes one call that only looks: traced; undefined when what it looks for is not there. */
function ifPresent<T>(name: string, path: string, read: () => T): T | undefined {
  const startedAt = traceStart();
  try {
    const found = read();
    traceCall(name, path, 0, startedAt);
    return found;
  } catch (error) {
    traceCall(name, path, codeOf(error), startedAt);
    return unlessAbsent(error);
  }
}

/** A cgroup that goes away meanwhile answers ENOENT before its files are opened and ENODEV after. */
function unlessAbsent(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENODEV") throw error;
}

/** Makes one call: traced; false for an expected refusal, a SyscallError for any other. */
function attempt(name: string, path: string, expected: readonly string[], work: () => void): boolean {
  const startedAt = traceStart();
  try {
    work();
    traceCall(name, path, 0, startedAt);
    return true;
  } catch (error) {
    if (!(error instanceof Error && "errno" in error && typeof error.errno === "number")) throw error;
    const errno = -error.errno;
    traceCall(name, path, errnoName(errno), startedAt);
    if (expected.includes(errnoTable[errno]?.[0] ?? "")) return false;
    throw syscallError(name, path, errno);
  }
}
