/** Jails of others on the same host: klee neither minds their names nor touches them. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { jail } from "../../src/ffi/freebsd/index.ts";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

test("jails whose names are no ids, or ids of no container of this store", gate, () => {
  const names = ["web-1", "db_2", "starting-87ca0e7dae30", "87ca0e7dae30", "alcatraz"];
  for (const name of names) jail.jailSet({ path: "/", name, persist: true }, "create");
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  for (const args of [
    ["image", "create", "dir", root, "-t", "box"],
    ["run", "-d", "--name", "own", "box", "sleep", "1000"],
    ["lsc", "-a"],
    ["system", "check"],
    ["rmc", "-f", "own"],
    ["system", "reconcile"],
    ["system", "cleanup", "-f"],
  ]) {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  }
  const left = host.state().jails.filter(({ dying_until }) => dying_until === null);
  assert.deepEqual(
    left.map(({ name }) => name),
    names,
  );
});
