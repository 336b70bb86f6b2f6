import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

before(() => {
  symlinkSync(kleeCommand, join(machine.folder("bin"), "klee"));
  for (const [name, subnet] of Object.entries({ testnet: "10.2.3.0/24", other: "10.2.4.0/24" }))
    assert.equal(machine.klee(["network", "create", "--subnet", subnet, name]).status, 0);
});

/** What bash offers for the last of the words, one line each. */
function completed(...words: readonly string[]): string[] {
  const script = `source <(klee completion bash)
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _klee
    printf "%s\\n" "\${COMPREPLY[@]}"`;
  const environment = machine.environment();
  const { stdout, stderr, status } = spawnSync("bash", ["-c", script, "bash", "klee", ...words], {
    env: { ...environment, PATH: `${join(machine.directory, "bin")}:${environment.PATH}` },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter(Boolean);
}

test("bash completes commands, options and names", gate, () => {
  assert.deepEqual(completed("netw"), ["network"]);
  assert.deepEqual(completed("network", "inspect", ""), ["other", "testnet"]);
  assert.deepEqual(completed("network", "inspect", "t"), ["testnet"]);
  assert.deepEqual(completed("run", "-n", "o"), ["other"]);
  assert.deepEqual(completed("run", "--net"), ["--network"]);
  assert.deepEqual(completed("image", "create", "tar", "/etc/pass"), [], "files are the shell's affair");
});
