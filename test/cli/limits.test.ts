import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cgroupMounts } from "../../src/ffi/linux/cgroup.ts";
import { listMounts } from "../../src/ffi/linux/mount.ts";
import { needs } from "../support/gate.ts";
import { parentCgroup, settled } from "../support/inventory.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});

/** Directory of a container in the hierarchy that has a controller, and whether that is of version 2. */
function groupOf(id: string, controller: string): { readonly path: string; readonly unified: boolean } {
  const root = cgroupMounts().find(({ isRoot }) => isRoot)?.path ?? "";
  if (readFileSync(`${root}/cgroup.controllers`, "utf8").split(/\s/).includes(controller))
    return { path: join(parentCgroup(), id), unified: true };
  const old = listMounts().find(({ type, superOptions }) => type === "cgroup" && superOptions.includes(controller));
  assert.ok(old !== undefined, `this kernel has no ${controller} controller`);
  return { path: join(old.mountPoint, "klee", id), unified: false };
}

test("processes: what is beyond the limit cannot be started, by exec neither", gate, () => {
  // They must not hold this process's pipes.
  const forks = "sleep 1000 >/dev/null 2>&1 & ".repeat(4);
  const { status, stderr } = machine.klee(["run", "--pids", "3", "--name", "few", "box", "sh", "-c", forks]);
  assert.notEqual(status, 0);
  assert.match(stderr, /Cannot fork|can't fork/);
  ok("stop", "few");
  ok("run", "-d", "--pids", "2", "--name", "full", "box", "sh", "-c", "sleep 1000 & wait");
  assert.match(machine.klee(["exec", "full", "sh", "-c", "sleep 1; true"]).stderr, /Cannot fork|can't fork/);
  ok("rmc", "-f", "few", "full");
});

test("a changed limit counts from the next start on, and '' takes it away", gate, () => {
  const forks = "sleep 0.1 >/dev/null 2>&1 & ".repeat(4);
  ok("create", "--pids", "3", "--cpus", "0.5", "--name", "more", "box", "sh", "-c", forks);
  assert.notEqual(machine.klee(["start", "more"]).status, 0);
  ok("container", "update", "--pids", "9", "more");
  assert.equal(machine.klee(["start", "more"]).status, 0);
  ok("container", "update", "--pids", "", "more");
  assert.deepEqual(JSON.parse(ok("isc", "more")).container.limits, { cpus: 0.5, memory: null, pids: null });
  ok("rmc", "-f", "more");
});

test("memory: who takes more is killed, and nobody else", gate, () => {
  ok("run", "-d", "--name", "bystander", "box", "sleep", "1000");
  // tail(1) keeps it all, since there is no line in it.
  const hungry = machine.klee(["run", "--rm", "--memory", "16m", "box", "sh", "-c", "head -c 64m /dev/zero | tail"]);
  assert.equal(hungry.status, 137);
  assert.equal(machine.klee(["run", "--rm", "box", "sh", "-c", "head -c 64m /dev/zero | tail"]).status, 0);
  assert.match(ok("lsc"), /bystander/);
  ok("rmc", "-f", "bystander");
});

test("processors: the kernel holds it back", gate, () => {
  const { stdout } = machine.klee([
    "run",
    "-d",
    "--cpus",
    "0.25",
    "--name",
    "slow",
    "box",
    "sh",
    "-c",
    "while :; do :; done",
  ]);
  const id = stdout.slice(0, 12);
  const { path, unified } = groupOf(id, "cpu");
  const quota = unified ? readFileSync(`${path}/cpu.max`, "utf8") : readFileSync(`${path}/cpu.cfs_quota_us`, "utf8");
  assert.equal(quota.trim(), unified ? "25000 100000" : "25000");
  const throttled = () => Number(/nr_throttled (\d+)/.exec(readFileSync(`${path}/cpu.stat`, "utf8"))?.[1]);
  ok("stats", "--no-stream", "slow");
  assert.ok(throttled() > 0);
  assert.deepEqual(JSON.parse(ok("isc", "slow")).container.limits, { cpus: 0.25, memory: null, pids: null });
  ok("stop", "slow");
  assert.equal(existsSync(path), false);
  ok("start", "-d", "slow");
  assert.equal(existsSync(path), true, "each run has the limits");
  ok("rmc", "-f", "slow");
});

test("what is no amount is refused, and nothing is left of what there was", gate, async () => {
  for (const wrong of [
    ["--memory", "64"],
    ["--memory", "1x"],
    ["--cpus", "0"],
    ["--cpus", "many"],
    ["--pids", "0"],
    ["--pids", "-1"],
  ]) {
    const { status, stderr } = machine.klee(["create", ...wrong, "box"]);
    assert.equal(status, 2, wrong.join(" "));
    assert.match(stderr, /^klee: .*(is not (a number|an amount)|argument missing).*\n$/, wrong.join(" "));
  }
  assert.deepEqual(await settled(machine), []);
  for (const controller of ["cpu", "memory", "pids"]) {
    const { path, unified } = groupOf("none", controller);
    if (!unified && existsSync(join(path, "..")))
      assert.deepEqual(
        readdirSync(join(path, "..")).filter((one) => /^[0-9a-f]{12}$/.test(one)),
        [],
      );
  }
});
