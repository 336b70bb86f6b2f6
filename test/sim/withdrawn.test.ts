/** What may come from an address that the host has lost: pf asks no rule about packets of a connection that it knows. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

function ok(...args: string[]): string {
  const { status, stderr } = host.klee(args);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  return stderr;
}

/** Of the calls that a command makes: does it look for connections after the last alias has gone? */
function looksAfterwards(...args: string[]): boolean {
  const calls = ok("--trace", ...args).split("\n");
  const last = (call: string): number => calls.findLastIndex((line) => line.startsWith(`klee: ${call}`));
  const alias = Math.max(last("SIOCDIFADDR"), last("SIOCDIFADDR_IN6"));
  assert.ok(alias > 0, `an alias goes: ${calls.join("\n")}`);
  return last("DIOCGETSTATES") > alias;
}

test("connections that begin between the rules' going and the address's going end as well", gate, () => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  ok("image", "create", "dir", root, "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
  ok("network", "create", "--subnet", "10.2.4.0/24", "other");
  ok("run", "-d", "-n", "net", "--name", "one", "box", "sleep", "1000");
  ok("network", "connect", "other", "one");
  assert.equal(looksAfterwards("network", "disconnect", "other", "one"), true);
  assert.equal(looksAfterwards("rmc", "-f", "one"), true);
});

test("a socket that keeps an address of a network that others are on sends nothing", gate, () => {
  const leaving = { direction: "out", interface: "em0", protocol: 17, destination: "203.0.113.5", port: 53 } as const;
  const leaves = (source: string): boolean => host.judge({ ...leaving, source }).passed;
  const both = ["192.0.2.77", "2001:db8::77"] as const;
  ok("network", "create", "-t", "custom", "-i", "em0", "--subnet", "192.0.2.0/24", "--subnet6", "2001:db8::/64", "lan");
  ok("run", "-d", "-n", "net", "--name", "two", "box", "sleep", "1000");
  ok("network", "connect", "--ip", both[0], "--ip6", both[1], "lan", "two");
  const own = { ...leaving, destination: "2001:db8:ffff::5" } as const;
  const verdicts = (): boolean[] => [leaves(both[0]), host.judge({ ...own, source: both[1] }).passed];
  assert.deepEqual(verdicts(), [true, true], "while it has them");

  ok("network", "disconnect", "lan", "two");
  assert.deepEqual(verdicts(), [false, false]);
  assert.equal(leaves("192.0.2.78"), true, "what the host passes on of others");
  ok("system", "reconcile");
  assert.deepEqual(verdicts(), [false, false], "after the rules were loaded anew");
  assert.equal(host.klee(["system", "check"]).status, 0);

  ok("run", "-d", "-n", "lan", "--ip", both[0], "--name", "heir", "box", "sleep", "1000");
  assert.deepEqual(verdicts(), [true, false], "who has it now may use it");
  ok("rmc", "-f", "heir");
  assert.deepEqual(verdicts(), [false, false]);

  ok("stop", "two");
  assert.deepEqual(verdicts(), [true, true], "no socket is left: it is like any other address of the network");
  ok("start", "-d", "two");
  assert.equal(host.klee(["system", "check"]).status, 0);
  ok("rmc", "-f", "two");
});
