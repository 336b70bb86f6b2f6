/** Whoever enters a container can be stopped by it, and keeps nobody from ending the container: on a simulated FreeBSD. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { type Started, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const QUICK = ["-J", "exec.timeout=1", "-J", "stop.timeout=1"];
const BOUND_MS = 8000;
/** What the container does to it, the simulator does: a payload stands still once it has entered the jail. */
const STOPPED = { KLEE_SIM_FAULT: "jail_attach:stopped-after" };

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

function ok(args: readonly string[], environment = {}): void {
  const begun = Date.now();
  const { status, stderr } = host.klee(args, environment);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  assert.ok(Date.now() - begun < BOUND_MS, `klee ${args.join(" ")} took ${Date.now() - begun} ms`);
}

before(() => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  ok(["image", "create", "dir", root, "-t", "box"]);
  ok(["network", "create", "--subnet", "10.2.3.0/24", "net"]);
});

/** Jails, without those that the kernel is still taking apart. */
const living = (): string[] =>
  host
    .state()
    .jails.filter(({ dying_until }) => dying_until === null)
    .map(({ name }) => name);

/** Is one stopped on its way from a supervisor to its program, in this simulator? */
function anyStopped(): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, "utf8");
      return (
        /^State:\tT/m.test(read("status")) &&
        read("cmdline").startsWith("klee-supervisor\0") &&
        read("environ").includes(`KLEE_SIM=${host.directory}\0`)
      );
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

function enter(): Started {
  ok(["run", "-d", "-n", "net", "--name", "hostile", ...QUICK, "box", "sleep", "1000"]);
  const exec = host.startKlee(["exec", "hostile", "sleep", "1000"], STOPPED);
  waitUntil(anyStopped, "the command to be stopped");
  return exec;
}

for (const args of [["stop"], ["rmc", "-f"], ["restart"], ["network", "disconnect", "net"]])
  test(`${args.join(" ")} of a container that stops whoever enters it`, gate, async () => {
    const exec = enter();
    ok([...args, "hostile"]);
    if (args[0] !== "rmc") ok(["rmc", "-f", "hostile"]);
    assert.notEqual(await exec.ended, 0);
    assert.deepEqual(living(), []);
  });

test("exec.stop, which is stopped as well, has its time and no more", gate, () => {
  ok(["run", "-d", "--name", "hostile", "-J", "exec.stop=sleep 1000", ...QUICK, "box", "sleep", "1000"]);
  ok(["rmc", "-f", "hostile"], STOPPED);
  assert.deepEqual(living(), []);
});

test("an exec that is stopped by its container ends at SIGTERM, and leaves nothing there", gate, async () => {
  const exec = enter();
  exec.child.kill("SIGTERM");
  await exec.ended;
  waitUntil(() => !anyStopped(), "the supervisor to end what it began");
  ok(["rmc", "-f", "hostile"]);
});
