import { strict as assert } from "node:assert";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { settled, supervisorsOf } from "../support/inventory.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh", "sleep", "true", "false"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "testnet");
});

const containerOf = (name: string) => JSON.parse(ok("isc", name)).container;

function statusOf(name: string): string {
  const lines = ok("lsc", "-a", "--format", "json").trim().split("\n");
  return lines.map((line) => JSON.parse(line)).find((container) => container.name === name)?.status;
}

const runsOf = (name: string): number => ok("logs", name).split("\n").filter(Boolean).length;

/** Pids of the processes that wait to start this container again. */
function waiting(name: string): number[] {
  const { id } = containerOf(name);
  return supervisorsOf([id]).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("\0later\0"));
}

test("on-failure:N starts a command again that fails, N times", gate, async () => {
  ok(
    "run",
    "-d",
    "-n",
    "testnet",
    "--restart",
    "on-failure:2",
    "--name",
    "thrice",
    "box",
    "sh",
    "-c",
    "echo x; exit 3",
  );
  waitUntil(() => runsOf("thrice") === 3 && statusOf("thrice") === "stopped", "the third run");
  const { exit_code, restarts, restart_policy } = containerOf("thrice");
  assert.deepEqual([exit_code, restarts, restart_policy], [3, 2, "on-failure:2"]);
  ok("run", "-d", "--restart", "on-failure", "--name", "once", "box", "sh", "-c", "echo x");
  waitUntil(() => statusOf("once") === "stopped", "the only run");
  assert.deepEqual(await settled(machine), []);
  assert.equal(runsOf("thrice"), 3);
  assert.equal(runsOf("once"), 1);
  assert.equal(ok("system", "check"), "");
});

test("always starts it again however it ended, until it is stopped", gate, async () => {
  ok("run", "-d", "-n", "testnet", "--restart", "always", "--name", "on", "box", "sh", "-c", "echo x; exec sleep 1000");
  for (const n of [2, 3]) {
    ok("kill", "on");
    waitUntil(() => statusOf("on") === "running" && runsOf("on") === n, `run ${n}`);
  }
  assert.equal(containerOf("on").restarts, 2);
  ok("stop", "on");
  assert.deepEqual(await settled(machine), []);
  assert.equal(statusOf("on"), "stopped");
  ok("start", "-d", "on");
  assert.equal(containerOf("on").restarts, 0, "counted anew");
  ok("rmc", "-f", "on");
});

test("the waits grow, and stop, start and rm call a restart off", gate, async () => {
  ok("run", "-d", "--restart", "always", "--name", "loop", "box", "sh", "-c", "echo x; false");
  waitUntil(() => runsOf("loop") >= 4, "four runs");
  waitUntil(() => statusOf("loop") === "restarting", "a wait");
  assert.match(ok("lsc"), / restarting *$/m, "it is listed with those that run");
  assert.equal(ok("container", "prune", "-f").includes(containerOf("loop").id), false);
  ok("stop", "loop");
  assert.deepEqual([statusOf("loop"), waiting("loop")], ["stopped", []]);
  assert.match(machine.klee(["stop", "loop"]).stderr, /^klee: container not running: loop/);
  const runs = runsOf("loop");
  assert.deepEqual(await settled(machine), []);
  assert.equal(runsOf("loop"), runs);
  assert.equal(machine.klee(["start", "loop"]).status, 1);
  waitUntil(() => statusOf("loop") === "restarting" && waiting("loop").length === 1, "the next wait");
  ok("rmc", "loop");
  assert.deepEqual(await settled(machine), []);
});

test("an attached client's end, another command's end and a start that fails", gate, async () => {
  const source = machine.folder("source");
  const attached = ["run", "--restart", "on-failure:3", "-m", `${source}:/mnt`, "--name", "seen", "box"];
  const { status, stdout } = machine.klee([...attached, "sh", "-c", "echo x; exit 4"]);
  assert.equal(status, 4);
  assert.equal(stdout, "x\n");
  // It cannot be started without it, which counts as a failure.
  rmSync(source, { recursive: true });
  waitUntil(() => containerOf("seen").restarts === 3 && statusOf("seen") === "stopped", "the last try");
  machine.folder("source");
  ok("create", "--restart", "always", "--name", "other", "box", "sleep", "1000");
  assert.equal(machine.klee(["exec", "other", "false"]).status, 1);
  assert.deepEqual(await settled(machine), []);
  assert.equal(statusOf("other"), "stopped", "only its own command is started again");
});

test("a waiting process that was killed is replaced by the next command", gate, async () => {
  ok("run", "-d", "--restart", "always", "--name", "lost", "box", "sh", "-c", "echo x; false");
  waitUntil(() => runsOf("lost") >= 5, "five runs");
  waitUntil(() => waiting("lost").length === 1, "a wait");
  const runs = runsOf("lost");
  for (const pid of waiting("lost")) process.kill(pid, "SIGKILL");
  waitUntil(() => runsOf("lost") > runs, "a further run");
  ok("rmc", "-f", "lost");
  assert.deepEqual(await settled(machine), []);
});

test("restarts and commands that look at the same time lose none", gate, async () => {
  const names = Array.from({ length: 6 }, (_, n) => `many${n}`);
  for (const name of names)
    ok("run", "-d", "-n", "testnet", "--restart", "on-failure:4", "--name", name, "box", "sh", "-c", "echo x; false");
  const lookers = names.map(() => machine.startKlee(["lsc"]).ended);
  await Promise.all(lookers);
  waitUntil(() => names.every((name) => runsOf(name) === 5 && statusOf(name) === "stopped"), "all runs");
  assert.deepEqual(await settled(machine), []);
  assert.equal(readdirSync(join(machine.root, "logs")).filter((name) => name.endsWith(".new")).length, 0);
});
