/** pf asks no rule about packets of a connection that it knows: none may be left of an address that the host has lost. */
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
