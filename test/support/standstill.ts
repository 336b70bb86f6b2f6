import assert from "node:assert/strict";
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
