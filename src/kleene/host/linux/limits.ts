import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lazy } from "../../../ffi/library.ts";
import { listMounts } from "../../../ffi/linux/mount.ts";
import { KleeError } from "../../errors.ts";
import type { Limits } from "../../model.ts";

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

/** Version 2, on the directory of the whole container, whose pid 1 counts as well; no swap beside the memory. */
const settings2: Readonly<Record<Limit, (amount: number) => Setting[]>> = {
  cpus: (cpus) => [{ file: "cpu.max", value: `${Math.round(cpus * PERIOD_US)} ${PERIOD_US}` }],
  memory: (bytes) => [
    { file: "memory.max", value: bytes },
    { file: "memory.swap.max", value: 0, optional: true },
  ],
  pids: (pids) => [{ file: "pids.max", value: pids + 1 }],
};

/** Version 1, on a directory of all processes but pid 1. */
const settings1: Readonly<Record<Limit, (amount: number) => Setting[]>> = {
  cpus: (cpus) => [
    { file: "cpu.cfs_period_us", value: PERIOD_US },
    { file: "cpu.cfs_quota_us", value: Math.round(cpus * PERIOD_US) },
  ],
  memory: (bytes) => [
    { file: "memory.limit_in_bytes", value: bytes },
    { file: "memory.memsw.limit_in_bytes", value: bytes, optional: true },
  ],
  pids: (pids) => [{ file: "pids.max", value: pids }],
};

/**
 * Limits of containers. A controller belongs to the cgroup2 hierarchy or, on hosts that boot in the hybrid mode of
 * systemd, to one of version 1, in which a container then has a directory as well.
 */
export class CgroupLimits {
  readonly #root: () => string;

  /** @param root tells where cgroup2 is mounted. */
  constructor(root: () => string) {
    this.#root = root;
  }

  /** @throws {KleeError} UNSUPPORTED when a controller is in no hierarchy. */
  check(limits: Limits): void {
    for (const limit of limitNames) {
      const controller = controllers[limit];
      if (limits[limit] === null || this.#isUnified(controller) || hierarchyOf(controller) !== undefined) continue;
      throw new KleeError(
        "UNSUPPORTED",
        `--${limit} needs the ${controller} controller of cgroups, which this kernel lacks or has disabled`,
      );
    }
  }

  /**
   * Sets a container's limits, before anything runs in it.
   * @param cgroup its directory in cgroup2.
   */
  set(id: string, cgroup: string, limits: Limits): void {
    this.check(limits);
    for (const limit of limitNames) {
      const amount = limits[limit];
      if (amount === null) continue;
      const controller = controllers[limit];
      if (this.#isUnified(controller)) {
        for (const parent of [this.#root(), join(cgroup, "..")])
          writeFileSync(`${parent}/cgroup.subtree_control`, `+${controller}`);
        write(cgroup, settings2[limit](amount));
      } else {
        const directory = `${hierarchyOf(controller)}/klee/${id}`;
        mkdirSync(directory, { recursive: true, mode: 0o755 });
        write(directory, settings1[limit](amount));
      }
    }
  }

  /** A container's directories in hierarchies of version 1. */
  groupsOf(id: string): string[] {
    return directories(id).filter((directory) => existsSync(directory));
  }

  /** Removes them. Idempotent. */
  remove(id: string): void {
    for (const directory of directories(id)) if (removeEmpty(directory)) removeEmpty(join(directory, ".."));
  }

  #isUnified(controller: string): boolean {
    return readFileSync(`${this.#root()}/cgroup.controllers`, "utf8").trim().split(" ").includes(controller);
  }
}

function write(directory: string, settings: readonly Setting[]): void {
  for (const { file, value, optional = false } of settings) {
    const path = `${directory}/${file}`;
    if (!optional || existsSync(path)) writeFileSync(path, String(value));
  }
}

function directories(id: string): string[] {
  return limitNames.flatMap((limit) => {
    const hierarchy = hierarchyOf(controllers[limit]);
    return hierarchy === undefined ? [] : [`${hierarchy}/klee/${id}`];
  });
}

const hierarchies = lazy(() => listMounts().filter(({ type, root }) => type === "cgroup" && root === "/"));

/** Where the hierarchy of version 1 is mounted that has a controller. */
function hierarchyOf(controller: string): string | undefined {
  return hierarchies().find(({ superOptions }) => superOptions.includes(controller))?.mountPoint;
}

/** False when there is none, or something is left in it. */
function removeEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EBUSY" || code === "ENOTEMPTY") return false;
    throw error;
  }
}
