/** The picture of networks on a simulated FreeBSD: what runs there is drawn as running, with its addresses and ports. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

before(() => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh", "sleep"]);
  for (const args of [
    ["image", "create", "dir", root, "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "net"],
    ["run", "-d", "-n", "net", "-p", "8080:80", "--name", "runs", "box", "sleep", "1000"],
    ["create", "-n", "net", "--name", "rests", "box"],
  ]) {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 0, stderr);
  }
});

test("a running container with a port, and one that is stopped", gate, () => {
  const { stdout, stderr, status } = host.klee(["network", "graph"]);
  assert.deepEqual([status, stderr], [0, ""]);
  assert.match(
    stdout,
    /^net {2}10\.2\.3\.0\/24 {2}kleene0: loopback, NAT on em0\n├── runs {3}10\.2\.3\.1 {2}running\n│ {3}└── em0:8080 -> 80\/tcp\n└── rests {2}10\.2\.3\.2 {2}stopped\n$/,
  );
  assert.match(host.klee(["network", "graph", "--format", "svg"]).stdout, /<circle class="running" /);
});
