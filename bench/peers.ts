import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Absentee, Entrant } from "./compare.ts";
import { cleanEnvironment, type Spawner } from "./floor.ts";
import { cgroupRoot } from "./machine.ts";
import { findPeer } from "./setup.ts";

const NAME = "klee-bench";
/** Cgroups that the peers below make, and that some leave when they fail. */
const CGROUPS = [NAME, "libpod_parent"];

/** One way to call a peer. */
export interface Variant {
  /** What it leaves out, for the row; empty: nothing. */
  readonly without: string;
  readonly argv: readonly string[];
}

/**
 * Enters a peer with the first of its variants that works on this host: not every one may set limits or cgroups here.
 *
 * @param spawner in the `cgroup2` place.
 */
export async function enterPeer(
  name: string,
  spawner: Spawner,
  variants: readonly Variant[],
): Promise<Entrant | Absentee> {
  let reason = `${name} is not installed`;
  if (findPeer(name.split(" ")[0] ?? name) === undefined) return { name, role: "peer", missing: reason };
  for (const { without, argv } of variants) {
    try {
      await spawner.run(argv);
      const label = without === "" ? name : `${name} (without ${without})`;
      return { name: label, role: "peer", sample: () => spawner.run(argv) };
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  return { name, role: "peer", missing: reason };
}

/** bwrap: namespaces and bind mounts. */
export const bwrap = (rootfs: string): Variant[] => [
  {
    without: "cgroup, overlay",
    argv: ["bwrap", "--unshare-all", "--ro-bind", rootfs, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"],
  },
];

/** An OCI bundle of the root file system, made by the runtime's own `spec`. */
export function ociBundle(directory: string, rootfs: string, args: readonly string[] = ["/bin/true"]): string {
  const bundle = join(directory, "bundle");
  mkdirSync(bundle);
  const maker = findPeer("crun") ?? findPeer("runc");
  if (maker === undefined) return bundle;
  symlinkSync(rootfs, join(bundle, "rootfs"));
  spawnSync(maker, ["spec"], { cwd: bundle, env: cleanEnvironment() });
  const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as {
    process: { args: readonly string[]; terminal: boolean; rlimits?: unknown };
    root: { path: string };
  };
  config.process.args = args;
  config.process.terminal = false;
  config.root.path = rootfs;
  // Raising a limit needs a privilege that not every root has.
  delete config.process.rlimits;
  writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
  return bundle;
}

export const crun = (bundle: string): Variant[] => [
  { without: "overlay", argv: ["crun", "--cgroup-manager=cgroupfs", "run", "--bundle", bundle, NAME] },
  { without: "cgroup, overlay", argv: ["crun", "--cgroup-manager=disabled", "run", "--bundle", bundle, NAME] },
];

export const runc = (bundle: string): Variant[] => [
  { without: "overlay", argv: ["runc", "run", "--bundle", bundle, NAME] },
];

/** podman with all it keeps below `directory`. */
export const podman = (directory: string, ...args: string[]): string[] => [
  "podman",
  "--root",
  `${directory}/podman`,
  "--runroot",
  `${directory}/podman-run`,
  "--tmpdir",
  `${directory}/podman-tmp`,
  "--cgroup-manager=cgroupfs",
  "--events-backend=none",
  ...args,
];

const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

export function podmanRun(
  directory: string,
  rootfs: string,
  network: string,
  command: readonly string[] = ["/bin/true"],
): Variant[] {
  const run = (runtime: string, ...options: string[]): string[] => {
    const argv = podman(directory, "--runtime", runtime, "run", "--rm", `--network=${network}`, ...options);
    return [...argv, ...LIMITS, "--rootfs", `${rootfs}:O`, ...command];
  };
  return [
    { without: "", argv: run("crun") },
    { without: "", argv: run("runc", "--pids-limit=0") },
    { without: "cgroup", argv: run("crun", "--cgroups=disabled") },
  ];
}

/** Notes which of the peers' cgroups are there; disposing removes the others, once nothing runs in them. */
export function watchCgroups(): Disposable {
  const absent = CGROUPS.map((name) => join(cgroupRoot(), name)).filter((path) => !existsSync(path));
  return { [Symbol.dispose]: () => absent.filter((path) => existsSync(path)).forEach(removeCgroups) };
}

function removeCgroups(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroups(join(path, entry.name));
  rmdirSync(path);
}
