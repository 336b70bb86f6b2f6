import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { Finished, Started } from "./machine.ts";
import { waitUntil } from "./machine.ts";

/** What of a host, real or simulated, a klee that stands still is tried on. It has an image `box` and a network `net`. */
export interface StandstillHost {
  klee(args: readonly string[]): Finished;
  startKlee(args: readonly string[]): Started;
  /** Has the kernel this address, by whatever tells it but klee? */
  hasAddress(address: string): boolean;
}

/** No command waits longer for a klee that stands still. */
const BOUND_MS = 15_000;

/**
 * A klee is stopped while its container runs; the container ends. Others go on meanwhile, its address is free for the
 * next one in a bounded time, and it ends in good order when it is woken.
 */
export async function tryStandstill(host: StandstillHost): Promise<void> {
  const quick = (...args: string[]): string => {
    const begun = Date.now();
    const { status, stdout, stderr } = host.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
    assert.ok(Date.now() - begun < BOUND_MS, `klee ${args.join(" ")} took ${Date.now() - begun} ms`);
    return stdout;
  };
  const stopped = host.startKlee(["run", "-n", "net", "--ip", "10.2.3.7", "--name", "still", "box", "sleep", "1000"]);
  const container = () => JSON.parse(quick("container", "inspect", "still")).container;
  waitUntil(() => host.klee(["lsc", "-q"]).stdout !== "" && container().running, "the container to run");
  process.kill(stopped.child.pid ?? 0, "SIGSTOP");
  try {
    quick("run", "--rm", "-n", "net", "box", "true");
    quick("network", "create", "--subnet", "10.2.4.0/24", "other");
    quick("kill", "still");
    // No command that would repair: its supervisor sees to it.
    waitUntil(() => !host.hasAddress("10.2.3.7"), "the container to be taken down");
    assert.equal(container().running, false);
    quick("rmc", "still");
    quick("run", "--rm", "-n", "net", "--ip", "10.2.3.7", "box", "true");
    quick("network", "rm", "other");
  } finally {
    process.kill(stopped.child.pid ?? 0, "SIGCONT");
  }
  assert.equal(await stopped.ended, 137, stopped.output());
  assert.equal(quick("lsc", "-a", "-q"), "");
}

/** A command that is stopped at each of its points in turn, on a container `c` in `net` that runs, and a network `spare`. */
export interface StandingCommand {
  readonly name: string;
  readonly args: readonly string[];
  readonly prepare?: readonly (readonly string[])[];
}

export const standingCommands: readonly StandingCommand[] = [
  { name: "run", args: ["run", "--rm", "-n", "net", "box", "true"] },
  { name: "run with a terminal", args: ["run", "--rm", "-t", "-n", "net", "box", "true"] },
  { name: "exec", args: ["exec", "c", "true"] },
  { name: "stop", args: ["stop", "c"] },
  { name: "network create", args: ["network", "create", "--subnet", "10.2.7.0/24", "made"] },
  { name: "connect", args: ["network", "connect", "spare", "c"] },
  { name: "rmc -f", args: ["rmc", "-f", "c"] },
];

/** A klee that was told to stand still somewhere. */
export interface Standing extends Started {
  /** Its process, once it stands still; undefined when it has ended without. */
  pid(): number | undefined;
}

/** Makes what standing commands work on; whatever was left of it goes first. */
export function furnishStanding(host: StandstillHost): void {
  for (const args of [
    ["rmc", "-f", "c"],
    ["network", "rm", "spare"],
    ["network", "rm", "made"],
  ])
    host.klee(args);
  for (const args of [
    ["network", "create", "--subnet", "10.2.5.0/24", "spare"],
    ["run", "-d", "--name", "c", "-J", "exec.nostop", "-J", "stop.timeout=1", "-n", "net", "box", "sleep", "1000"],
  ]) {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  }
}

const stateOf = (pid: number): string | undefined => {
  try {
    return /^State:\t(.)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
};

/**
 * While one klee stands still, others work with all that is not its container; it stands still for as long as nobody
 * continues it, and then comes to its end.
 *
 * @returns false when it had ended before it could.
 */
export async function tryStanding(host: StandstillHost, standing: Standing): Promise<boolean> {
  let ended = false;
  void standing.ended.then(() => {
    ended = true;
  });
  const deadline = Date.now() + BOUND_MS;
  for (let pid = standing.pid(); !ended && (pid === undefined || stateOf(pid) !== "T"); pid = standing.pid()) {
    assert.ok(Date.now() < deadline, `neither stopped nor ended: ${standing.output()}`);
    await setTimeout(5);
  }
  const pid = standing.pid();
  if (ended || pid === undefined) return false;
  try {
    for (const args of [
      ["run", "--rm", "-n", "net", "box", "true"],
      ["network", "create", "--subnet", "10.2.6.0/24", "other"],
      ["network", "rm", "other"],
      ["lsc", "-a"],
    ]) {
      const begun = Date.now();
      const { status, stderr } = host.klee(args);
      assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
      const taken = Date.now() - begun;
      assert.ok(taken < BOUND_MS, `klee ${args.join(" ")} took ${taken} ms`);
    }
    // It may have come to its end while it let go.
    await setTimeout(100);
    assert.ok(ended || stateOf(pid) === "T", `it did not stand still: ${standing.output()}`);
  } finally {
    if (!ended) process.kill(pid, "SIGCONT");
  }
  assert.equal(await standing.ended, 0, standing.output());
  return true;
}

/** Of so many points as many as the time allows, spread over all; a seed tells which. */
export function chosenPoints(count: number, wanted: number, seed: number): number[] {
  const stride = Math.max(1, Math.floor(count / wanted));
  const points = Array.from({ length: count }, (_, index) => index + 1);
  return points.filter((point) => point % stride === seed % stride);
}
