/** The host changes under its networks. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ifclone } from "../../src/ffi/freebsd/index.ts";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

function ok(...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const check = (): string => host.klee(["system", "check"]).stdout.replace(/^.*\/etc\/pf\.conf.*\n/gm, "");
const interfaceOf = (network: string): string => JSON.parse(ok("isn", network)).network.interface;
const names = (): string[] => host.state().interfaces.map(({ name }) => name);

test("interfaces with another name are followed, klee's own by its mark; ports and translation with them", gate, () => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  ok("image", "create", "dir", root, "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  ok("network", "create", "-t", "custom", "-i", "em0", "--subnet", "192.0.2.0/24", "lan");
  ok("run", "-d", "-n", "net", "--name", "a", "-p", "em0:8080:80", "box", "sleep", "1000");
  const leaving = (by: string) =>
    host.judge({
      direction: "out",
      interface: by,
      protocol: 6,
      source: "10.2.3.1",
      destination: "203.0.113.5",
      port: 443,
    }).packet.source;
  assert.equal(leaving("em0"), "192.0.2.1");
  assert.equal(check(), "");
  ifclone.renameInterface("em0", "wan0");
  ifclone.renameInterface("kleene0", "other0");
  assert.match(check(), /interface em0 is called wan0 now/);
  assert.match(check(), /interface kleene0 is called other0 now/);
  ok("system", "reconcile");
  assert.equal(check(), "");
  assert.deepEqual([interfaceOf("net"), interfaceOf("lan")], ["other0", "wan0"]);
  assert.equal(ok("container", "port", "a"), "80/tcp -> wan0:8080\n");
  assert.equal(leaving("wan0"), "192.0.2.1");
  const arriving = { direction: "in", interface: "wan0", protocol: 6, source: "203.0.113.5" } as const;
  assert.equal(host.judge({ ...arriving, destination: "192.0.2.1", port: 8080 }).packet.destination, "10.2.3.1");
  assert.deepEqual(names().sort(), ["lo0", "other0", "wan0"]);
});

test("a start makes an interface again that is gone, with the addresses of all that run", gate, () => {
  ifclone.destroyInterface("other0");
  assert.match(check(), /network net: its interface other0 is missing/);
  ok("run", "-n", "net", "box", "true");
  const made = host.state().interfaces.find(({ name }) => name === "other0");
  assert.ok(made?.addresses.some(({ ip }) => ip === "10.2.3.1"));
  assert.equal(check(), "");
});
