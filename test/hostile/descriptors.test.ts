/** klee under a limit of descriptors: whatever it is that cannot be opened, the limit is what is blamed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";

const gate = needs("root", "host", "libnftables", "ip");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

test("the number of descriptors is blamed, no library, and nothing stays", gate, (t) => {
  const limited = (limit: number, ...args: string[]) =>
    spawnSync("sh", ["-c", `ulimit -n ${limit} && exec "$@"`, "sh", process.execPath, kleeCommand, ...args], {
      env: machine.environment(),
      encoding: "utf8",
    });
  // With fewer Node itself does not come as far as klee.
  const failed: string[] = [];
  for (let limit = 21; limit <= 40; limit++) {
    const { status, stderr } = limited(limit, "network", "create", "--subnet", "10.2.3.0/24", "net");
    if (status === 0) machine.ok("network", "rm", "net");
    else {
      failed.push(`${limit}: ${stderr}`);
      assert.match(stderr, /^klee: [^\n]*(EMFILE|too many open files|SQLITE_CANTOPEN)[^\n]*\n$/i, `limit ${limit}`);
      assert.doesNotMatch(stderr, /is missing|apt-get/, `limit ${limit}`);
    }
  }
  t.diagnostic(failed.map((line) => line.trim()).join("\n"));
  assert.ok(failed.length > 0 && failed.length < 20);
  assert.equal(machine.ok("lsn", "-q"), "");
  assert.equal(machine.klee(["system", "check"]).status, 0);
});
