import { strict as assert } from "node:assert";
import { after, test } from "node:test";
import type { Klee } from "../../src/kleene/klee.ts";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { changingCommands, furnish } from "./commands.ts";
import { survey } from "./survey.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
let klee: Klee;

before(async () => {
  klee = await furnish(machine);
});
after(async () => {
  await klee.close();
  machine[Symbol.dispose]();
});

test("killed at any call that changes something, a command leaves nothing that does not agree", gate, async (t) => {
  const { points, tried, clean, failures, seed } = await survey({
    machine,
    klee,
    commands: changingCommands(machine),
    fault: () => "kill",
    judge: ({ stderr }) => (/\n\s+at /.test(stderr) ? [`stack trace: ${stderr}`] : []),
  });
  t.diagnostic(`kill points ${clean} of ${tried} clean (${points} in all, KLEE_TEST_SEED=${seed})`);
  assert.ok(tried > 0);
  assert.equal(failures.length, 0, failures.join("\n"));
});
