import { strict as assert } from "node:assert";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  const rootfs = machine.folder("rootfs");
  buildRoot(rootfs, ["sh"]);
  ok("image", "create", "dir", rootfs, "-t", "box");
});

/** Both streams, in order. */
const both = (...args: string[]): string => machine.kleeInOrder(["logs", ...args]).output;
const ended = (name: string): boolean => !ok("lsc", "--format", "json").includes(`"name":"${name}"`);

test("what a detached container writes is kept, over several runs, until it is removed", gate, () => {
  ok("run", "-d", "--name", "c", "box", "sh", "-c", "echo out; echo err >&2");
  waitUntil(() => ended("c"), "its end");
  assert.equal(both("c"), "out\nerr\n");
  assert.deepEqual(machine.klee(["logs", "c"]), { status: 0, stdout: "out\n", stderr: "err\n" });
  ok("start", "-d", "c");
  waitUntil(() => ended("c"), "its end");
  assert.equal(machine.kleeInOrder(["container", "logs", "c"]).output, "out\nerr\nout\nerr\n");
  assert.equal(both("--tail", "1", "c"), "err\n");
  assert.equal(both("--tail", "3", "c"), "err\nout\nerr\n");
  assert.equal(ok("logs", "-n", "0", "c"), "");
  const logs = join(machine.root, "logs");
  for (const file of readdirSync(logs)) assert.equal(statSync(join(logs, file)).mode & 0o777, 0o600, file);
  ok("rmc", "c");
  assert.deepEqual(readdirSync(logs), []);
});

test("what goes to a terminal or a pipe is not in the log", gate, () => {
  assert.equal(ok("run", "--name", "attached", "box", "echo", "seen"), "seen\n");
  assert.equal(ok("logs", "attached"), "");
  ok("rmc", "attached");
});

test("-f tells what comes, and ends with the container", gate, async () => {
  const pipe = join(machine.folder("shared"), "pipe");
  machine.run("mkfifo", pipe);
  ok(
    "run",
    "-d",
    "--name",
    "f",
    "-m",
    `${machine.folder("shared")}:/shared`,
    "box",
    "sh",
    "-c",
    "echo first; cat /shared/pipe",
  );
  const follower = machine.startKlee(["logs", "-f", "f"]);
  waitUntil(() => follower.output() === "first\n", "the first line");
  machine.run("sh", "-c", 'echo second > "$1"', "sh", pipe);
  assert.equal(await follower.ended, 0);
  assert.equal(follower.output(), "first\nsecond\n");
  ok("rmc", "-f", "f");
});

test("--since: an age or a date", gate, () => {
  ok("run", "-d", "--name", "s", "box", "sh", "-c", "echo old; sleep 2; echo new; sleep 1000");
  waitUntil(() => ok("logs", "s").includes("new"), "both lines");
  assert.equal(ok("logs", "--since", "1h", "s"), "old\nnew\n");
  assert.equal(ok("logs", "--since", "1s", "s"), "new\n");
  assert.equal(ok("logs", "--since", "2020-01-01", "s"), "old\nnew\n");
  const { status, stderr } = machine.klee(["logs", "--since", "yesterday-ish", "s"]);
  assert.equal(status, 2);
  assert.match(stderr, /^klee: "yesterday-ish" is no time: [^\n]+\n$/);
  ok("rmc", "-f", "s");
});

test("an unknown container, and lines that are no number", gate, () => {
  assert.equal(machine.klee(["logs", "nosuch"]).status, 1);
  assert.equal(machine.klee(["logs", "--tail", "x", "nosuch"]).status, 2);
});
