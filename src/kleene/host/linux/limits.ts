import { existsSync } from "node:fs";
import { dirname, relative } from "node:path";
import { SyscallError } from "../../../ffi/errno.ts";
import { controllersOf, legacyHierarchy, makeCgroup, removeCgroup, setControl } from "../../../ffi/linux/cgroup.ts";
import { KleeError } from "../../errors.ts";
import type { Limits } from "../../model.ts";
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
  readonly #confinement: Pick<Confinement, "cgroupRoot" | "pathOf">;

  constructor(confinement: Pick<Confinement, "cgroupRoot" | "pathOf">) {
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
    const unified = this.#confinement.pathOf(id);
    for (const limit of limitNames) {
      const amount = limits[limit];
      if (amount === null) continue;
      const controller = controllers[limit];
      if (this.#isUnified(controller)) {
        for (const parent of [this.#confinement.cgroupRoot, dirname(unified)])
          setControl(parent, "cgroup.subtree_control", `+${controller}`);
        setAll(unified, settings2[limit](amount));
      } else {
        const directory = `${legacyHierarchy(controller)}/${this.#nameOf(id)}`;
        makeWithParent(directory);
        setAll(directory, settings1[limit](amount));
      }
    }
  }

  /** A container's directories in hierarchies of version 1. */
  groupsOf(id: string): string[] {
    return this.#directoriesOf(id).filter((directory) => existsSync(directory));
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

function setAll(directory: string, settings: readonly Setting[]): void {
  for (const { file, value, optional = false } of settings)
    if (!optional || existsSync(`${directory}/${file}`)) setControl(directory, file, value);
}

function makeWithParent(directory: string): void {
  for (;;) {
    makeCgroup(dirname(directory));
    try {
      makeCgroup(directory);
      return;
    } catch (error) {
      // Another klee removed the parent with its last container, between the two.
      if (!(error instanceof SyscallError && error.code === "ENOENT")) throw error;
    }
  }
}
