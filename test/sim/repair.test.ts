/** A klee that is killed while it repairs what another one left: the next command goes on with it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DIOCRINADEFINE } from "../../src/ffi/freebsd/abi/pf.ts";
import { needs } from "../support/gate.ts";
import { filledAnchors, SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { settled } from "./inventory.ts";

const gate = needs("root");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

function ok(...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

test("killed within its transaction of rules, which has opened anchors that pf still lists", gate, async () => {
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  const removed = ok("network", "create", "--subnet", "10.3.0.0/16", "removed");
  ok("network", "rm", "removed");
  // A transaction that defines tables: a new network's, and that of all rules. It has begun by then.
  const killed = (...args: string[]): void => {
    const environment = { KLEE_SIM_FAULT: `ioctl 0x${DIOCRINADEFINE.request.toString(16)}:kill:node` };
    assert.notEqual(host.klee(args, environment).status, 0, `klee ${args.join(" ")}`);
  };
  killed("network", "create", "--subnet", "10.4.0.0/16", "cut");
  killed("lsc");
  const isOpen = () => filledAnchors(host.state()).includes(`klee/within/${removed}`);
  assert.ok(isOpen(), "the one of the network that was removed");
  ok("lsc");
  assert.equal(isOpen(), false);
  assert.deepEqual(await settled(host), []);
});
