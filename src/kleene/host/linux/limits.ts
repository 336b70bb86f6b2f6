import { existsSync } from "node:fs";
import { dirname, relative } from "node:path";
import { isErrno } from "../../../ffi/errno.ts";
import {
  controllersOf,
  legacyHierarchy,
  makeCgroup,
  moveProcess,
  ownProcessesOf,
  removeCgroup,
  setControl,
} from "../../../ffi/linux/cgroup.ts";
import { retry } from "../../../ffi/retry.ts";
import { KleeError } from "../../errors.ts";
import type { Limits } from "../../model.ts";
import { PARENT_TRIES } from "./confinement/attachment.ts";
import type { Confinement } from "./confinement/confinement.ts";

/** Controllers of cgroups(7), by the option that needs each. */
const controllers = { cpus: "cpu", memory: "memory", pids: "pids" } as const;
type Limit = keyof typeof controllers;
const limitNames = Object.keys(controllers) as Limit[];

/** Of a processor's time, in microseconds: the kernel's default. */
const PERIOD_US = 100_000;

/** A file of a cgroup and what it is to say. */
interface Setting {
  readonly file: string;
  readonly value: number | string;
  /** The kernel may have been built or booted without it. */
  readonly optional?: boolean;
}

/** What sets a limit, or with null takes it away. */
type Settings = Readonly<Record<Limit, (amount: number | null) => Setting[]>>;

const microseconds = (cpus: number): number => Math.round(cpus * PERIOD_US);

/** Version 2, on the directory of the whole container, whose pid 1 counts as well; no swap beside the memory. */
const settings2: Settings = {
  cpus: (cpus) => [{ file: "cpu.max", value: `${cpus === null ? "max" : microseconds(cpus)} ${PERIOD_US}` }],
  memory: (bytes) => [
    { file: "memory.max", value: bytes ?? "max" },
    { file: "memory.swap.max", value: bytes === null ? "max" : 0, optional: true },
  ],
  pids: (pids) => [{ file: "pids.max", value: pids === null ? "max" : pids + 1 }],
};

/** Version 1, on a directory of all processes but pid 1. */
const settings1: Settings = {
  cpus: (cpus) => [
    { file: "cpu.cfs_period_us", value: PERIOD_US },
    { file: "cpu.cfs_quota_us", value: cpus === null ? -1 : microseconds(cpus) },
  ],
  memory: (bytes) => [
    // Memory with swap is never less than without.
    { file: "memory.memsw.limit_in_bytes", value: -1, optional: true },
    { file: "memory.limit_in_bytes", value: bytes ?? -1 },
    { file: "memory.memsw.limit_in_bytes", value: bytes ?? -1, optional: true },
  ],
  pids: (pids) => [{ file: "pids.max", value: pids ?? "max" }],
};

/**
 * Limits of containers. A controller belongs to the cgroup2 hierarchy or, on hosts that boot in the hybrid mode of
 * systemd, to one of version 1, in which a container then has a directory as well.
 */
export class CgroupLimits {
  readonly #confinement: Pick<Confinement, "cgroupRoot" | "pathOf" | "processes">;

  constructor(confinement: Pick<Confinement, "cgroupRoot" | "pathOf" | "processes">) {
    this.#confinement = confinement;
  }

  /** @throws {KleeError} UNSUPPORTED when a controller is in no hierarchy. */
  check(limits: Limits): void {
    for (const limit of limitNames) {
      const controller = controllers[limit];
      if (limits[limit] === null || this.#isUnified(controller) || legacyHierarchy(controller) !== undefined) continue;
      throw new KleeError(
        "UNSUPPORTED",
        `--${limit} needs the ${controller} controller of cgroups, which this kernel lacks or has disabled`,
      );
    }
  }

  /**
   * Sets a container's limits, before anything runs in it. Its directory in cgroup2 is there.
   * @throws {SyscallError}
   */
  set(id: string, limits: Limits): void {
    this.check(limits);
    for (const limit of limitNames) if (limits[limit] !== null) this.#set(id, limit, limits[limit]);
  }

  /**
   * Changes the limits of a container that runs. Its lock is held; who starts a process in it meanwhile calls `enter`.
   * @throws {SyscallError}
   */
  change(id: string, limits: Limits): void {
    this.check(limits);
    for (const limit of limitNames) {
      const directory = this.#set(id, limit, limits[limit]);
      if (directory !== undefined) moveAll(() => this.#confinement.processes(id), directory);
    }
  }

  /** Returns the directory in a hierarchy of version 1, where the container's processes have to be moved. */
  #set(id: string, limit: Limit, amount: number | null): string | undefined {
    const controller = controllers[limit];
    if (this.#isUnified(controller)) {
      const directory = this.#confinement.pathOf(id);
      if (amount !== null)
        for (const parent of [this.#confinement.cgroupRoot, dirname(directory)])
          setControl(parent, "cgroup.subtree_control", `+${controller}`);
      setAll(directory, settings2[limit](amount), amount === null);
      return undefined;
    }
    const hierarchy = legacyHierarchy(controller);
    if (hierarchy === undefined) return undefined;
    const directory = `${hierarchy}/${this.#nameOf(id)}`;
    if (amount !== null) makeWithParent(directory);
    setAll(directory, settings1[limit](amount), amount === null);
    return amount === null ? undefined : directory;
  }

  /** A container's directories in hierarchies of version 1. */
  groupsOf(id: string): string[] {
    return this.#directoriesOf(id).filter((directory) => existsSync(directory));
  }

  /**
   * Moves a container's processes to the directories that it has beyond those that one of them was started in: its limits
   * may have been changed before it was there to be moved.
   */
  enter(id: string, groups: readonly string[]): void {
    for (const directory of this.groupsOf(id).filter((one) => !groups.includes(one)))
      moveAll(() => this.#confinement.processes(id), directory);
  }

  /** Removes them, and their parents with the last container that has one. Idempotent. */
  remove(id: string): void {
    for (const directory of this.#directoriesOf(id))
      if (existsSync(dirname(directory)) && removeCgroup(directory)) removeCgroup(dirname(directory));
  }

  #directoriesOf(id: string): string[] {
    const hierarchies = limitNames.map((limit) => legacyHierarchy(controllers[limit]));
    return hierarchies.filter((path) => path !== undefined).map((path) => `${path}/${this.#nameOf(id)}`);
  }

  /** The same in every hierarchy. */
  #nameOf(id: string): string {
    return relative(this.#confinement.cgroupRoot, this.#confinement.pathOf(id));
  }

  #isUnified(controller: string): boolean {
    return controllersOf(this.#confinement.cgroupRoot).includes(controller);
  }
}

/** @param ifThere where a file is missing, there is no limit to take away. */
function setAll(directory: string, settings: readonly Setting[], ifThere: boolean): void {
  for (const { file, value, optional = false } of settings)
    if (!(optional || ifThere) || existsSync(`${directory}/${file}`)) setControl(directory, file, value);
}

/** Moves a container's processes into a directory, until one look finds nobody outside: they may fork meanwhile. */
function moveAll(processes: () => number[], directory: string): void {
  for (;;) {
    const inside = new Set(ownProcessesOf(directory));
    const outside = processes().filter((pid) => !inside.has(pid));
    if (outside.length === 0) return;
    for (const pid of outside) moveProcess(pid, directory);
  }
}

/** Another klee may remove the parent with its last container, between the two. */
function makeWithParent(directory: string): void {
  retry(
    PARENT_TRIES,
    (error) => isErrno(error, "ENOENT"),
    () => {
      makeCgroup(dirname(directory));
      makeCgroup(directory);
    },
  );
}
