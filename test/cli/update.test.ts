import { strict as assert } from "node:assert";
import { after, test } from "node:test";
import { tryExecStart } from "../support/exec-start.ts";
import { before, needs } from "../support/gate.ts";
import { settled } from "../support/inventory.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh", "sleep", "env", "id", "true", "false", "echo", "sed"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});

const containerOf = (name: string) => JSON.parse(ok("isc", name)).container;
const runsOf = (name: string): number => ok("logs", name).split("\n").filter(Boolean).length;

test("what is given changes, the rest stays", gate, () => {
  const options = ["-e", "A=1", "-e", "B=2", "-u", "7:7", "-J", "host.hostname=old", "--restart", "on-failure:2"];
  ok("create", "--name", "c", ...options, "box", "env");
  const before = containerOf("c");
  const update = (...args: string[]): void => {
    assert.equal(ok("container", "update", ...args).trim(), before.id);
  };
  update("-e", "B=3", "-e", "C=4", "c");
  assert.deepEqual(containerOf("c"), { ...before, env: ["A=1", "B=3", "C=4"] });
  update("-J", "host.hostname=new", "-J", "mount.nodevfs", "c");
  const stop = 'exec.stop="/bin/sh /etc/rc.shutdown jail"';
  assert.deepEqual(containerOf("c").jail_param, [stop, "host.hostname=new", "mount.nodevfs"]);
  update("-J", "mount.devfs", "c");
  assert.deepEqual(containerOf("c").jail_param, [stop, "host.hostname=new", "mount.devfs"]);
  update("-P", "true", "--restart", "always", "-u", "root", "--name", "d", "c", "--", "sh", "-c", 'echo "$B $(id -u)"');
  const { persist, restart_policy, user, cmd, name } = containerOf("d");
  assert.deepEqual([persist, restart_policy, user, name], [true, "always", "root", "d"]);
  assert.deepEqual(cmd, ["sh", "-c", 'echo "$B $(id -u)"']);
  update("d", "--restart", "no", "--persist=no");
  assert.match(ok("start", "d"), /^3 0$/m);
  ok("rmc", "d");
});

test("exec.start by update", gate, () => tryExecStart(machine));

test("a run goes on as it was started; its name and its policy count at once", gate, async () => {
  ok("run", "-d", "--name", "r", "-e", "A=1", "box", "sh", "-c", "echo run $A; exec sleep 1000");
  const later = machine.klee(["container", "update", "-e", "A=2", "r"]);
  assert.deepEqual([later.status, later.stdout.trim()], [0, containerOf("r").id]);
  assert.match(later.stderr, /^klee: container r runs on as it was started: .*next start.*\n$/);
  const now = machine.klee(["container", "update", "--restart", "on-failure", "--name", "q", "r"]);
  assert.deepEqual([now.status, now.stderr], [0, ""]);
  ok("kill", "q");
  waitUntil(() => runsOf("q") === 2, "the restart");
  assert.equal(ok("logs", "q"), "run 1\nrun 2\n");
  ok("rmc", "-f", "q");
  assert.deepEqual(await settled(machine), []);
});

test("a policy that starts nothing again calls a restart off", gate, async () => {
  ok("run", "-d", "--restart", "always", "--name", "loop", "box", "sh", "-c", "echo x; false");
  waitUntil(() => runsOf("loop") >= 4 && /restarting/.test(ok("lsc")), "a wait");
  ok("container", "update", "--restart", "on-failure:9", "loop");
  assert.match(ok("lsc"), /restarting|running/, "one that does, does not");
  waitUntil(() => /restarting/.test(ok("lsc")), "the next wait");
  ok("container", "update", "--restart", "on-startup", "loop");
  const runs = runsOf("loop");
  assert.equal(ok("lsc", "-q"), "");
  assert.deepEqual(await settled(machine), []);
  assert.equal(runsOf("loop"), runs);
  ok("rmc", "loop");
});

test("what create refuses is refused, and nothing changes then", gate, () => {
  for (const name of ["one", "two"]) ok("create", "--name", name, "box", "true");
  const before = containerOf("one");
  for (const [args, status, message] of [
    [["--name", "two", "--restart", "always"], 1, /already taken: two/],
    [["--restart", "never"], 2, /unknown restart policy/],
    [["-J", "allow.nosuch"], 1, /allow\.nosuch/],
    [["-e", "A"], 2, /KEY=VALUE/],
    [["--memory", "1"], 2, /amount of memory/],
    [[], 2, /nothing to change/],
  ] as const) {
    const { status: found, stderr } = machine.klee(["container", "update", ...args, "one"]);
    assert.deepEqual([found, message.test(stderr), stderr.split("\n").length], [status, true, 2], stderr);
  }
  assert.equal(machine.klee(["container", "update", "-P", "on", "absent"]).status, 1);
  assert.deepEqual(containerOf("one"), before);
});
