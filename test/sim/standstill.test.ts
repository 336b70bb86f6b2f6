/** One klee that stands still keeps no other from working: on a simulated FreeBSD. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { tryStandstill } from "../support/standstill.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

test("a klee that is stopped while its container runs and ends", gate, async () => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  for (const args of [
    ["image", "create", "dir", root, "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "net"],
  ]) {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 0, stderr);
  }
  await tryStandstill({
    klee: (args) => host.klee(args),
    startKlee: (args) => host.startKlee(args),
    hasAddress: (address) =>
      host.state().interfaces.some(({ addresses }) => addresses.some(({ ip }) => ip === address)),
  });
  assert.deepEqual(
    host.state().jails.filter(({ dying_until }) => dying_until === null),
    [],
  );
});
