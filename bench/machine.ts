import { chmodSync, copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Klee, openKlee } from "../src/kleene/index.ts";
import type { ExecutionOptions } from "../src/kleene/model.ts";
import { kleeCommand, Machine } from "../test/support/machine.ts";
import { buildRoot } from "../test/support/rootfs.ts";
import { cleanEnvironment } from "./floor.ts";
import { floorPath } from "./setup.ts";

export const IMAGE = "bench";
export const NETWORK = "testnet";
/** Connected to nothing: what is measured is the container, not a pipe. */
export const QUIET: ExecutionOptions = { stdio: { stdin: "null", stdout: "null", stderr: "null" } };

/** A machine with a store, an image and a network on it, and klee as a library. */
export interface BenchMachine extends Disposable {
  readonly machine: Machine;
  readonly klee: Klee;
  /** Root file system that klee's image and every peer use: busybox and the TCP program. */
  readonly rootfs: string;
  /** Of klee as a command on this machine. */
  readonly environment: Record<string, string>;
}

export async function openMachine(): Promise<BenchMachine> {
  const machine = new Machine();
  const rootfs = machine.folder("rootfs");
  buildRoot(rootfs, []);
  copyFileSync(floorPath("tcp"), join(rootfs, "bin/tcp"));
  chmodSync(join(rootfs, "bin/tcp"), 0o755);
  const klee = await openKlee({ root: machine.root });
  await klee.images.create({ method: "dir", source: rootfs, tag: IMAGE });
  await klee.networks.create({ name: NETWORK, subnet: "10.2.0.0/16" });
  const environment = cleanEnvironment({ HOME: machine.directory, KLEE_ROOT: machine.root });
  return { machine, klee, rootfs, environment, [Symbol.dispose]: () => machine[Symbol.dispose]() };
}

/** Command line of klee, as its own shebang line runs it. */
export const kleeArgv = (...args: string[]): string[] => [process.execPath, kleeCommand, ...args];

/** Where cgroup2 is mounted. */
export function cgroupRoot(): string {
  const found = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1];
  if (found === undefined) throw new Error("no cgroup2 is mounted");
  return found;
}
