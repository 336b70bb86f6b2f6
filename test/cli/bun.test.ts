/** The walkthrough's commands by another JavaScript runtime: what of Node klee relies on, others have as well. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

/** Put there by the set-up of the tests. */
const BUN = fileURLToPath(new URL("../../.setup/bun-1.4.5/bin/bun", import.meta.url));

const gate = needs("root", "cgroup2", "overlay", "libnftables", "ip", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

function klee(args: readonly string[], status = 0): { readonly stdout: string; readonly stderr: string } {
  const result = spawnSync(BUN, [kleeCommand, ...args], {
    env: machine.environment(),
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.ifError(result.error);
  assert.equal(result.status, status, `klee ${args.join(" ")}: ${result.stdout}${result.stderr}`);
  return result;
}

const id = /^[0-9a-f]{12}$/;

test("the walkthrough's commands run under Bun as under Node", gate, () => {
  const root = machine.folder("rootfs");
  buildRoot(root, ["sh"]);
  assert.match(klee(["image", "create", "dir", root, "-t", "base"]).stdout.trim(), id);
  assert.match(
    klee(["network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "testnet"]).stdout.trim(),
    id,
  );
  const shown = klee(["run", "-l", "ipnet", "-n", "testnet", "--name", "one", "base", "echo", "seen"]);
  assert.equal(shown.stdout, "seen\n");
  assert.match(shown.stderr, /and its container exited with exit-code 0/);
  assert.match(klee(["run", "-n", "testnet", "--rm", "base", "sh", "-c", "exit 7"], 7).stderr, /exit-code 7/);
  klee(["run", "-d", "-n", "testnet", "--name", "two", "base", "sleep", "1000"]);
  assert.equal(klee(["exec", "two", "cat", "/proc/1/comm"]).stdout, "klee-init\n");
  const inspected = JSON.parse(klee(["container", "inspect", "two"]).stdout);
  assert.deepEqual(
    inspected.container_endpoints.map(({ ip_address, ip_address6 }: Record<string, string>) => [
      ip_address,
      ip_address6,
    ]),
    [["10.2.3.2", "fd00:2:3::2"]],
  );
  assert.match(klee(["lsc", "-a"]).stdout, /two .* running/);
  assert.equal(JSON.parse(klee(["network", "inspect", "testnet"]).stdout).network.interface, "kleene0");
  klee(["stop", "two"]);
  klee(["rmc", "one", "two"]);
  klee(["network", "rm", "testnet"]);
  klee(["rmi", "base"]);
  assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene/);
});
