import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "busybox");
const machine = new Machine();
const { ok } = machine;
const exitCode = (name: string): number | null => JSON.parse(ok("isc", name)).container.exit_code;

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});
after(() => machine[Symbol.dispose]());

test("the exit status of the last run is kept, attached or not, by code or by signal", gate, () => {
  assert.equal(machine.klee(["run", "--name", "a", "box", "sh", "-c", "exit 7"]).status, 7);
  assert.equal(exitCode("a"), 7);
  assert.equal(ok("wait", "a"), "7\n");
  ok("run", "-d", "--name", "b", "box", "sh", "-c", "sleep 0.2; kill -TERM $$");
  assert.equal(exitCode("b"), null);
  assert.equal(ok("wait", "b", "a"), "143\n7\n");
  waitUntil(() => exitCode("b") === 143, "the end to be seen");
  assert.equal(machine.klee(["exec", "a", "sh", "-c", "exit 9"]).status, 9);
  assert.equal(exitCode("a"), 9, "an exec that starts the container is its first process");
  ok("create", "--name", "c", "box");
  assert.equal(exitCode("c"), null);
  const unrun = machine.klee(["wait", "c"]);
  assert.equal(unrun.status, 1);
  assert.match(unrun.stderr, /has not run yet/);
});

test("a signal to the first process, by name or number; KILL unless told", gate, async () => {
  const trap = 'trap "echo got; exit 3" USR1; echo ready; while :; do sleep 0.05; done';
  const id = ok("run", "-d", "--name", "t", "box", "sh", "-c", trap).split("\n")[0] ?? "";
  waitUntil(() => ok("logs", "t").includes("ready"), "the trap");
  const waiting = machine.startKlee(["wait", "t"]);
  assert.equal(ok("kill", "-s", "usr1", "t"), `${id}\n`);
  assert.equal(await waiting.ended, 0);
  assert.equal(waiting.output(), "3\n");
  assert.equal(ok("logs", "t"), "ready\ngot\n");
  waitUntil(() => exitCode("t") === 3, "the end to be seen");
  const stopped = machine.klee(["kill", "t"]);
  assert.equal(stopped.status, 1);
  assert.match(stopped.stderr, /container not running: t/);
  ok("start", "-d", "t");
  ok("kill", "t");
  assert.equal(ok("wait", "t"), "137\n");
  for (const signal of ["NOSUCH", "0", "-1", "999"]) {
    const { status, stderr } = machine.klee(["kill", "-s", signal, "t"]);
    assert.equal(status, 2, signal);
    assert.match(stderr, /is no signal/);
  }
});

test("stop and restart: the status is that of the end; rm takes the record along", gate, () => {
  ok("run", "-d", "--name", "s", "box", "sleep", "1000");
  const { id } = JSON.parse(ok("isc", "s")).container;
  ok("stop", "s");
  assert.equal(exitCode("s"), 143);
  ok("restart", "s");
  assert.equal(exitCode("s"), null);
  ok("rmc", "-f", "s");
  assert(!existsSync(join(machine.root, "runs", id)));
  assert.match(
    readFileSync(join(machine.root, "runs", JSON.parse(ok("isc", "t")).container.id), "utf8"),
    /^\d+\n137\n+$/,
  );
});

test("when the supervisor is killed nobody knows how it ended", gate, () => {
  ok("run", "-d", "--name", "k", "box", "sleep", "1000");
  const { id } = JSON.parse(ok("isc", "k")).container;
  // Its child, the container's pid 1, has the same command line, and a later pid.
  const [supervisor] = machine.run("pgrep", "-f", `klee-supervisor ${id}`).split("\n");
  process.kill(Number(supervisor), "SIGKILL");
  assert.equal(JSON.parse(ok("isc", "k")).container.running, true, "it goes on");
  ok("kill", "k");
  const { status, stderr } = machine.klee(["wait", "k"]);
  assert.equal(status, 1);
  assert.match(stderr, /how container [0-9a-f]{12} ended is not known: its supervisor was killed/);
  assert.equal(exitCode("k"), null);
});
