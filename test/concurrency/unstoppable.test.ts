/** No container can make itself unstoppable, nor whoever enters it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { before, needs } from "../support/gate.ts";
import { settled } from "../support/inventory.ts";
import { Machine, type Started, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

/** What a stop leaves to exec.stop, and to processes after SIGTERM; and what it may take. */
const QUICK = ["-J", "exec.timeout=1", "-J", "stop.timeout=1"];
const BOUND_MS = 8000;
/** Stops every process that enters, whatever it has come to by then. */
const HOSTILE = ["sh", "-c", "trap '' TERM; while :; do kill -STOP -1; done"];

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  const root = machine.folder("rootfs");
  buildRoot(root, ["sh"]);
  ok("image", "create", "dir", root, "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
});

/** A process of the container, or one on its way there, that is stopped: its state in proc(5) is T. */
function anyStopped(name: string): boolean {
  const processes = machine.klee(["top", name]).stdout.match(/\d+/g) ?? [];
  return processes.some((pid) => {
    try {
      return /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  });
}

/** A hostile container and an exec in it that hangs. */
function enter(name: string): Started {
  ok("run", "-d", "-n", "net", "--name", name, ...QUICK, "box", ...HOSTILE);
  const exec = machine.startKlee(["exec", name, "sleep", "1000"]);
  waitUntil(() => anyStopped(name), "the command to be stopped");
  return exec;
}

function inTime(...args: string[]): void {
  const begun = Date.now();
  ok(...args);
  const taken = Date.now() - begun;
  assert.ok(taken < BOUND_MS, `klee ${args.join(" ")} took ${taken} ms`);
}

async function endsInTime({ ended, output }: Started): Promise<number> {
  const late = setTimeout(BOUND_MS, undefined, { ref: false });
  const status = await Promise.race([ended, late]);
  assert.ok(status !== undefined, `still there: ${output()}`);
  return status;
}

for (const [what, ...args] of [
  ["stop", "stop"],
  ["rmc -f", "rmc", "-f"],
  ["restart", "restart"],
  ["network disconnect", "network", "disconnect", "net"],
] as const)
  test(`${what} of a container that stops whoever enters it`, gate, async () => {
    const exec = enter("hostile");
    inTime(...args, "hostile");
    if (what !== "rmc -f") inTime("rmc", "-f", "hostile");
    assert.notEqual(await endsInTime(exec), 0);
    assert.deepEqual(await settled(machine), []);
  });

test("exec.stop, which is stopped as well, has its time and no more", gate, async () => {
  ok("run", "-d", "--name", "hostile", "-J", "exec.stop=sleep 1000", ...QUICK, "box", ...HOSTILE);
  inTime("rmc", "-f", "hostile");
  assert.deepEqual(await settled(machine), []);
});

for (const signal of ["SIGTERM", "SIGINT"] as const)
  test(`an exec that is stopped by its container ends at ${signal}, and leaves nothing there`, gate, async () => {
    const exec = enter("hostile");
    for (let sent = 0; sent < 3 && exec.child.exitCode === null && exec.child.signalCode === null; sent++) {
      exec.child.kill(signal);
      await setTimeout(500);
    }
    await endsInTime(exec);
    inTime("rmc", "-f", "hostile");
    assert.deepEqual(await settled(machine), []);
  });
