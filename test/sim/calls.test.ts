/** How many kernel calls klee's commands make on FreeBSD, and that others' jails, networks and containers add none. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { jail } from "../../src/ffi/freebsd/index.ts";
import {
  assertIndependent,
  FORTY_NINE,
  type Measured,
  makeOthers,
  measure,
  ONE,
  type Traced,
} from "../support/calls.ts";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

/** Half of what it was when each command looked at every jail, and at most things twice; six of them close locks. */
const MOST = 71;
const FOREIGN_JAILS = 10;

function prepare(host: SimulatedHost): Traced {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  for (const args of [
    ["image", "create", "dir", root, "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "testnet"],
  ])
    assert.equal(host.klee(args).status, 0);
  return (args) => host.klee(args, { KLEE_TRACE: "1" });
}

function assertFew(measured: Measured, name: string): number {
  const { lines = [] } = measured.get(name) ?? {};
  assert.ok(lines.length > 0 && lines.length <= MOST, `${lines.length} calls:\n${lines.join("\n")}`);
  return lines.length;
}

describe("kernel calls on FreeBSD, simulated, with ZFS", needs("root", "busybox"), () => {
  const datasets = { zroot: "none", "zroot/ROOT": "none", "zroot/ROOT/default": "/" };
  const host = new SimulatedHost({ ...ordinaryMachine, datasets });
  after(() => host[Symbol.dispose]());

  test("run, start, exec and stop, beside fifty others", async (t) => {
    host.simulator.use();
    const traced = prepare(host);
    const alone = measure(traced);
    await makeOthers(host.root, ONE);
    const besideOne = measure(traced);
    await makeOthers(host.root, FORTY_NINE);
    for (let number = 0; number < FOREIGN_JAILS; number += 1)
      jail.jailSet({ path: "/", name: `foreign${number}`, persist: true }, "create");
    const besideFifty = measure(traced);
    assertIndependent(alone, besideOne, besideFifty, (line) => t.diagnostic(`FreeBSD: ${line}`));
    for (const measured of [alone, besideOne, besideFifty]) assertFew(measured, "run");
  });
});

describe("kernel calls on FreeBSD, simulated, with directories", needs("root", "busybox"), () => {
  const host = new SimulatedHost(ordinaryMachine);
  after(() => host[Symbol.dispose]());

  test("start; a run copies the image's files before, some calls for each", (t) => {
    const calls = assertFew(measure(prepare(host)), "start");
    t.diagnostic(`FreeBSD with directories: calls of klee start: ${calls} (0 others)`);
  });
});
