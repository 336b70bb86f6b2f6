/** One klee that stands still keeps no other from working: on a simulated FreeBSD. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { seed } from "../hostile/seed.ts";
import { before, needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import {
  chosenPoints,
  furnishStanding,
  type StandingCommand,
  standingCommands,
  tryStanding,
  tryStandstill,
} from "../support/standstill.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

/** Of each command so many calls are tried; all of them with KLEE_SOAK_SECONDS. */
const POINTS = process.env.KLEE_SOAK_SECONDS === undefined ? 2 : Number.POSITIVE_INFINITY;

before(() => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  for (const args of [
    ["image", "create", "dir", root, "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "net"],
  ]) {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 0, stderr);
  }
});

const standstillHost = {
  klee: (args: readonly string[]) => host.klee(args),
  startKlee: (args: readonly string[]) => host.startKlee(args),
  hasAddress: (address: string) =>
    host.state().interfaces.some(({ addresses }) => addresses.some(({ ip }) => ip === address)),
};

test("a klee that is stopped while its container runs and ends", gate, async () => {
  await tryStandstill(standstillHost);
  assert.deepEqual(
    host.state().jails.filter(({ dying_until }) => dying_until === null),
    [],
  );
});

/** How many calls of the kernel the command's process makes. */
function countCalls({ args }: StandingCommand): number {
  furnishStanding(standstillHost);
  const log = join(host.directory, "calls");
  const { status, stderr } = host.klee(args, { KLEE_SIM_CALLS: log });
  assert.equal(status, 0, stderr);
  const lines = readFileSync(log, "utf8")
    .split("\n")
    .map((line) => line.split(" "));
  rmSync(log);
  const [, process] = lines.find(([program]) => program === "node") ?? [];
  return lines.filter(([program, pid]) => program === "node" && pid === process).length;
}

for (const command of standingCommands)
  test(`a klee that is stopped at calls of '${command.name}'`, gate, async (t) => {
    const count = countCalls(command);
    let tried = 0;
    for (const point of chosenPoints(count, POINTS, seed)) {
      furnishStanding(standstillHost);
      const started = host.startKlee(command.args, { KLEE_SIM_FAULT: `${point}:stop:node` });
      try {
        if (await tryStanding(standstillHost, { ...started, pid: () => started.child.pid })) tried++;
      } catch (error) {
        started.child.kill("SIGKILL");
        throw new Error(`at call ${point} of ${count}`, { cause: error });
      }
    }
    t.diagnostic(`stood still at ${tried} of ${count} calls`);
    assert.ok(tried > 0);
  });
