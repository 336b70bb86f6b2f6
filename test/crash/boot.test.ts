import { strict as assert } from "node:assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { killCgroup } from "../../src/ffi/linux/cgroup.ts";
import { mount } from "../../src/ffi/linux/mount.ts";
import { before, needs } from "../support/gate.ts";
import { parentCgroup, settled, supervisorsOf } from "../support/inventory.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
  for (const n of [1, 2, 3]) ok("network", "create", "--subnet", `10.2.${n}.0/24`, `net${n}`);
  ok("run", "-d", "-n", "net1", "--name", "one", "-J", "allow.raw_sockets", "box", "sleep", "1000");
  ok("run", "-d", "-n", "net2", "--name", "two", "box", "sleep", "1000");
  ok("create", "-n", "net3", "--name", "three", "box", "sleep", "1000");
  ok("create", "-n", "net3", "--name", "four", "--restart", "on-startup", "box", "sleep", "1000");
  ok("create", "--name", "broken", "--restart", "on-startup", "box", "absent");
  ok("run", "-d", "--name", "five", "--restart", "on-startup", "box", "sh", "-c", "echo up; sleep 1000");
});

/** All that a boot takes away, and another boot id, over the real one in this mount namespace alone. */
function boot(): void {
  const ids = ok("lsc", "-q").split("\n").filter(Boolean);
  for (const pid of supervisorsOf(ids)) process.kill(pid, "SIGKILL");
  for (const id of ids) {
    killCgroup(join(parentCgroup(), id));
    for (const leaf of ["init", "payload", ""])
      waitUntil(() => {
        try {
          machine.run("rmdir", join(parentCgroup(), id, leaf));
          return true;
        } catch {
          return false;
        }
      }, "the cgroup to be empty");
  }
  for (const n of [0, 1, 2]) machine.run("ip", "link", "delete", `kleene${n}`);
  machine.run("nft", "flush", "ruleset");
  const file = join(machine.directory, "boot_id");
  writeFileSync(file, "00000000-0000-4000-8000-000000000000\n");
  mount({ source: file, target: BOOT_ID, flags: ["bind"] });
}

test("after a boot the first command rebuilds interfaces and rules, and no container is lost", gate, async () => {
  boot();
  const first = machine.klee(["system", "reconcile"]);
  assert.equal(first.status, 0, first.stderr);
  for (const name of ["four", "five"])
    assert.match(first.stdout, new RegExp(`^container ${name} .* starts with the host: started it$`, "m"));
  assert.match(first.stdout, /^container broken .* does not start with the host: .*command not found.*absent$/m);
  assert.match(first.stderr, /^klee: warning: container broken .*absent\n$/);
  const running = ok("lsc", "--format", "json").trim().split("\n");
  assert.deepEqual(running.map((line) => JSON.parse(line).name).sort(), ["five", "four"]);
  waitUntil(() => ok("logs", "five") === "up\nup\n", "the second run's output");
  assert.doesNotMatch(ok("system", "reconcile"), /starts with the host/, "once for each boot");
  assert.deepEqual(await settled(machine), []);
  assert.equal(ok("system", "check"), "");
  assert.match(machine.run("ip", "-o", "link"), /kleene0.*\n.*kleene1.*\n.*kleene2/);
  for (const name of ["one", "two", "three"]) ok("start", "-d", name);
  assert.deepEqual(await settled(machine), []);
  const endpoints = ["one", "two", "three"].map(
    (name) => JSON.parse(ok("isc", name)).container_endpoints[0].ip_address,
  );
  assert.deepEqual(endpoints, ["10.2.1.1", "10.2.2.1", "10.2.3.1"], "each has the address that it had");
});
