/** One klee that stands still keeps no other from working. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { settled } from "../support/inventory.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { tryStandstill } from "../support/standstill.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

test("a klee that is stopped while its container runs and ends", gate, async () => {
  const root = machine.folder("rootfs");
  buildRoot(root, ["sh"]);
  machine.ok("image", "create", "dir", root, "-t", "box");
  machine.ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  await tryStandstill({
    klee: (args) => machine.klee(args),
    startKlee: (args) => machine.startKlee(args),
    hasAddress: (address) => machine.run("ip", "-o", "-4", "address").includes(`${address}/`),
  });
  assert.deepEqual(await settled(machine), []);
});
