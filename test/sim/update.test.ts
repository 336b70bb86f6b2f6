/** `klee container update` on a simulated FreeBSD. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { tryExecStart } from "../support/exec-start.ts";
import { before, needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

before(() => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh", "echo", "sed"]);
  const { status, stderr } = host.klee(["image", "create", "dir", root, "-t", "box"]);
  assert.equal(status, 0, stderr);
});

test("exec.start by update", gate, () => tryExecStart(host));
