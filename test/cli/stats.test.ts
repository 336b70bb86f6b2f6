import assert from "node:assert/strict";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
  ok("run", "-d", "--name", "idle", "box", "sh", "-c", "sleep 1000 & sleep 1000");
  ok("run", "-d", "--name", "busy", "box", "sh", "-c", "while :; do :; done");
  ok("create", "--name", "stopped", "box", "sleep", "1000");
});

interface Shown {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly processes: number;
}
const parse = (text: string): Shown[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test("what each running container uses, and no other", gate, () => {
  const all = parse(ok("stats", "--no-stream", "--format", "json"));
  assert.deepEqual(
    all.map(({ name }) => name),
    ["busy", "idle"],
  );
  const [busy, idle] = all;
  assert.ok(busy !== undefined && idle !== undefined);
  assert.ok(busy.cpuPercent > idle.cpuPercent, `${busy.cpuPercent} > ${idle.cpuPercent}`);
  assert.ok(busy.cpuSeconds > idle.cpuSeconds);
  assert.deepEqual([busy.processes, idle.processes], [1, 3]);
  for (const { memoryBytes } of all) assert.ok(memoryBytes > 4096 && memoryBytes < 2 ** 27, String(memoryBytes));
  assert.match(
    ok("stats", "--no-stream", "idle"),
    /^ CONTAINER ID +NAME +CPU +MEMORY +PROCESSES\n─+\n [0-9a-f]{12} +idle +\d+\.\d% +\d+\.\d MiB +3\n/,
  );
});

test("a stream goes on until the containers it was asked for have ended", gate, async () => {
  const stream = machine.startKlee(["stats", "--format", "json", "idle"]);
  waitUntil(() => parse(stream.output()).length >= 2, "two looks");
  ok("stop", "idle");
  assert.equal(await stream.ended, 0);
  const { status, stderr } = machine.klee(["stats", "idle", "busy"]);
  assert.equal(status, 1);
  assert.match(stderr, /^klee: some of the containers do not run/);
});
