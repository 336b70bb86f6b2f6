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
});

interface Shown {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly command: string;
}
const processes = (): Shown[] =>
  ok("top", "--format", "json", "t")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test("the processes of a container and of no other, as the kernel has them", gate, () => {
  ok("run", "-d", "--name", "other", "box", "sleep", "4321");
  const busy = "sleep 1234 & i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; wait";
  ok("run", "-d", "-u", "7:7", "--name", "t", "box", "sh", "-c", busy);
  waitUntil(() => processes().length === 2, "both processes");
  waitUntil(() => (processes()[0]?.cpuSeconds ?? 0) > 0, "the loop to take its time");
  const [shell, sleep] = processes();
  assert.equal(shell?.command, `sh -c ${busy}`);
  assert.equal(sleep?.command, "sleep 1234");
  assert.equal(sleep?.ppid, shell?.pid);
  for (const one of [shell, sleep]) {
    assert.equal(one?.uid, 7);
    assert.ok((one?.residentBytes ?? 0) > 4096);
  }
  const table = ok("top", "t");
  assert.match(table, /^ PID +PPID +UID +TIME +RSS +COMMAND\n─+\n/);
  assert.match(table, new RegExp(`^ ${sleep?.pid} +${shell?.pid} +7 +0:00\\.00 +\\d+ KiB +sleep 1234$`, "m"));
  assert.match(table, /sh -c sleep 1234 & .*…$/m, "a long command is cut");
  ok("stop", "t");
  const stopped = machine.klee(["top", "t"]);
  assert.equal(stopped.status, 1);
  assert.match(stopped.stderr, /^klee: container not running: t/);
});
