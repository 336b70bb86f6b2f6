/** The ends of `klee exec`, its terminal closes, its container is stopped: on a simulated FreeBSD. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { tryExecDuringStop, tryHangUp } from "../support/exec-ends.ts";
import { before, needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

before(() => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  const { status, stderr } = host.klee(["image", "create", "dir", root, "-t", "box"]);
  assert.equal(status, 0, stderr);
});

test("a terminal that closes ends the command at it", gate, () => tryHangUp(host));

test("exec while the container is stopped is refused", gate, () => tryExecDuringStop(host));
