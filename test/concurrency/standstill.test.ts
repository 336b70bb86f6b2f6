/** One klee that stands still keeps no other from working. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { runFaulted, standStillAt } from "../crash/fault.ts";
import { seed } from "../hostile/seed.ts";
import { before, needs } from "../support/gate.ts";
import { settled } from "../support/inventory.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { chosenPoints, furnishStanding, standingCommands, tryStanding, tryStandstill } from "../support/standstill.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

/** Of each command so many calls are tried; all of them with KLEE_SOAK_SECONDS. */
const POINTS = process.env.KLEE_SOAK_SECONDS === undefined ? 3 : Number.POSITIVE_INFINITY;

const host = {
  klee: (args: readonly string[]) => machine.klee(args),
  startKlee: (args: readonly string[]) => machine.startKlee(args),
  hasAddress: (address: string) => machine.run("ip", "-o", "-4", "address").includes(`${address}/`),
};

before(() => {
  const root = machine.folder("rootfs");
  buildRoot(root, ["sh"]);
  machine.ok("image", "create", "dir", root, "-t", "box");
  machine.ok("network", "create", "--subnet", "10.2.3.0/24", "net");
});

test("a klee that is stopped while its container runs and ends", gate, async () => {
  await tryStandstill(host);
  assert.deepEqual(await settled(machine), []);
});

for (const command of standingCommands)
  test(`a klee that is stopped at calls of '${command.name}'`, gate, async (t) => {
    furnishStanding(host);
    const { calls, status, stderr } = runFaulted(machine, command.args, { victim: "klee", point: 0, fault: "kill" });
    assert.equal(status, 0, stderr);
    let tried = 0;
    for (const point of chosenPoints(calls.length, POINTS, seed)) {
      furnishStanding(host);
      const standing = standStillAt(machine, command.args, point);
      try {
        if (await tryStanding(host, standing)) tried++;
      } catch (error) {
        const pid = standing.pid();
        if (pid !== undefined) process.kill(pid, "SIGKILL");
        throw new Error(`at ${point} of ${calls.length}, ${calls[point - 1]}`, { cause: error });
      }
    }
    t.diagnostic(`stood still at ${tried} of ${calls.length} calls`);
    assert.ok(tried > 0);
  });
