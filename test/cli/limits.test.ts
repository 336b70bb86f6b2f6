import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { cgroupMounts } from "../../src/ffi/linux/cgroup.ts";
import { listMounts } from "../../src/ffi/linux/mount.ts";
import { before, needs } from "../support/gate.ts";
import { parentCgroup, settled } from "../support/inventory.ts";
import { Machine, waitUntil } from "../support/machine.ts";
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
  const refused = /Cannot fork|can't fork|as many processes as it may/;
  assert.match(machine.klee(["exec", "full", "sh", "-c", "sleep 1; true"]).stderr, refused);
  ok("rmc", "-f", "few", "full");
});

test("a limit that is changed while it stands still counts from the next start on, and '' takes it away", gate, () => {
  const forks = "sleep 0.1 >/dev/null 2>&1 & ".repeat(4);
  ok("create", "--pids", "3", "--cpus", "0.5", "--name", "more", "box", "sh", "-c", forks);
  assert.notEqual(machine.klee(["start", "more"]).status, 0);
  // Those that it could start keep it running.
  waitUntil(() => !JSON.parse(ok("isc", "more")).container.running, "their end");
  ok("container", "update", "--pids", "9", "more");
  assert.equal(machine.klee(["start", "more"]).status, 0);
  ok("container", "update", "--pids", "", "more");
  assert.deepEqual(JSON.parse(ok("isc", "more")).container.limits, {
    cpus: 0.5,
    memory: null,
    pids: null,
    ports: null,
  });
  ok("rmc", "-f", "more");
});

test("a limit that is changed while it runs counts at once", gate, () => {
  const forks = ["exec", "live", "sh", "-c", "sleep 0.1 & sleep 0.1 & wait"];
  const { stdout } = machine.klee(["run", "-d", "--name", "live", "box", "sh", "-c", "sleep 1000 & wait"]);
  const id = stdout.slice(0, 12);
  assert.equal(machine.klee(forks).status, 0);
  const update = machine.klee(["container", "update", "--pids", "3", "--cpus", "0.5", "live"]);
  assert.deepEqual([update.status, update.stdout.trim(), update.stderr], [0, id, ""]);
  assert.match(machine.klee(forks).stderr, /Cannot fork|can't fork/, "those that ran before count");
  const cpu = groupOf(id, "cpu");
  const quota = () => readFileSync(join(cpu.path, cpu.unified ? "cpu.max" : "cpu.cfs_quota_us"), "utf8").split(" ")[0];
  assert.equal(quota()?.trim(), "50000");
  ok("container", "update", "--pids", "9", "--cpus", "", "live");
  assert.equal(machine.klee(forks).status, 0);
  assert.equal(quota()?.trim(), cpu.unified ? "max" : "-1");
  ok("container", "update", "--pids", "", "live");
  assert.deepEqual(JSON.parse(ok("isc", "live")).container.limits, {
    cpus: null,
    memory: null,
    pids: null,
    ports: null,
  });
  ok("stop", "live");
  assert.equal(existsSync(cpu.path), false);
  ok("rmc", "live");
});

test("memory that it may no longer have: more and none at once; less than it uses", gate, () => {
  const hold = 'x=$(head -c 32m /dev/zero | tr "\\0" a); echo held; sleep 1000; true';
  const { stdout } = machine.klee(["run", "-d", "--memory", "200m", "--name", "big", "box", "sh", "-c", hold]);
  const { path, unified } = groupOf(stdout.slice(0, 12), "memory");
  const limit = () => readFileSync(join(path, unified ? "memory.max" : "memory.limit_in_bytes"), "utf8").trim();
  waitUntil(() => ok("logs", "big") === "held\n", "the memory to be taken");
  for (const amount of ["300m", "100m", "400m"]) {
    ok("container", "update", "--memory", amount, "big");
    assert.equal(limit(), String(Number(amount.slice(0, -1)) * 2 ** 20));
  }
  const before = [limit(), JSON.parse(ok("isc", "big")).container];
  const { status, stderr } = machine.klee(["container", "update", "--memory", "4m", "--name", "small", "big"]);
  if (unified) assert.equal(ok("wait", "small").trim(), "137");
  else {
    assert.equal(status, 1);
    assert.match(stderr, /^klee: cannot change the limits of .*, which uses more memory .*: write \S+: EBUSY .*\n$/);
    assert.deepEqual([limit(), JSON.parse(ok("isc", "big")).container], before, "nothing has changed");
  }
  ok("rmc", "-f", stdout.slice(0, 12));
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
  assert.deepEqual(JSON.parse(ok("isc", "slow")).container.limits, {
    cpus: 0.25,
    memory: null,
    pids: null,
    ports: null,
  });
  ok("stop", "slow");
  assert.equal(existsSync(path), false);
  ok("start", "-d", "slow");
  assert.equal(existsSync(path), true, "each run has the limits");
  ok("rmc", "-f", "slow");
});

test("ports: sockets beyond the limit are refused, which counts at once when it is changed", gate, () => {
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  ok("run", "-d", "-n", "net", "--ports", "2", "--name", "web", "box", "sh", "-c", "nc -l -p 9001 & nc -l -p 9002");
  const third = ["exec", "web", "timeout", "1", "nc", "-l", "-p", "9003"];
  const full = (): boolean => /No buffer space available/.test(machine.klee(third).stderr);
  waitUntil(full, "two sockets to be open");
  assert.equal(JSON.parse(ok("isc", "web")).container.limits.ports, 2);
  ok("container", "update", "--ports", "3", "web");
  assert.equal(full(), false);
  ok("container", "update", "--ports", "", "web");
  assert.equal(full(), false);
  assert.equal(JSON.parse(ok("isc", "web")).container.limits.ports, null);
  ok("rmc", "-f", "web");
  ok("network", "rm", "net");
});

test("what is no amount is refused, and nothing is left of what there was", gate, async () => {
  for (const wrong of [
    ["--memory", "64"],
    ["--memory", "1x"],
    ["--cpus", "0"],
    ["--cpus", "many"],
    ["--pids", "0"],
    ["--pids", "-1"],
    ["--ports", "0"],
    ["--ports", "many"],
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
