/** `klee network create --log` on a simulated FreeBSD, whose pf takes rules with PF_LOG. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

function ok(...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The kernel has the rules and tables that it should have. */
function isRight(): void {
  assert.deepEqual(
    ok("system", "check")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("note: ")),
    [],
  );
}

test("a network that is logged is in the tables of the rules that log, and leaves them with its removal", gate, () => {
  ok("network", "create", "--subnet", "10.41.0.0/24", "plain");
  assert.match(ok("network", "rules"), /^table <logged> persist$/m);
  ok("network", "create", "--subnet", "10.41.1.0/24", "--log", "--internal", "watched");
  assert.equal(JSON.parse(ok("isn", "watched")).network.log, true);
  const rules = ok("network", "rules");
  assert.match(rules, /^table <logged> persist \{ 10\.41\.1\.0\/24 \}$/m);
  assert.match(rules, /^table <logged_internal> persist \{ 10\.41\.1\.0\/24 \}$/m);
  assert.match(rules, /^block drop log quick from <logged> to <containers> label "klee: isolation"$/m);
  isRight();
  ok("rmn", "watched");
  assert.match(ok("network", "rules"), /^table <logged> persist$/m);
  isRight();
});
