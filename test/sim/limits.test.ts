/** klee under its caller's limits, of threads and of descriptors: it works, or says in one line what failed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { compiled } from "../support/compile.ts";
import { before, needs } from "../support/gate.ts";
import { kleeCommand } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const noThreads = compiled(new URL("no-threads.c", import.meta.url), "gnu11", "-shared", "-fPIC");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

before(() => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh", "echo", "sleep"]);
  for (const args of [
    ["image", "create", "dir", root, "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "net"],
    ["run", "-d", "--name", "runs", "box", "sleep", "1000"],
  ]) {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 0, stderr);
  }
});

/** Nothing is left but what ran before. */
function isClean(): void {
  assert.deepEqual(host.klee(["lsc", "-a", "-q"]).stdout.trim().split("\n").length, 1);
  assert.equal(host.state().jails.length, 1);
}

test("where a thread cannot be had, run and exec fail in one line, and leave nothing", gate, () => {
  const commands = [
    ["run", "--rm", "-n", "net", "box", "echo", "done"],
    ["run", "-i", "--rm", "-n", "net", "box", "echo", "done"],
    ["exec", "runs", "echo", "done"],
  ];
  let failures = 0;
  for (const command of commands)
    for (let number = 1; number <= 5; number++) {
      const { status, stdout, stderr } = host.klee(command, { LD_PRELOAD: noThreads(), FAIL_THREAD: String(number) });
      const what = `thread ${number} of klee ${command.join(" ")}: ${status} ${stdout}${stderr}`;
      assert.doesNotMatch(stderr, /panick|\n\s+at /, what);
      if (status !== 0) {
        failures += 1;
        assert.equal(status, 125, what);
        assert.match(stderr, /^klee: [^\n]*pthread_create[^\n]*EAGAIN[^\n]*\n$/m, what);
        assert.equal(stderr.match(/^klee: /gm)?.length, 1, what);
      } else assert.match(stdout, /^done$/m, what);
      isClean();
    }
  // Of each command the listener's, and those that copy.
  assert.ok(failures >= 2 * commands.length, `${failures} failed`);
});

test("64 descriptors are enough", gate, () => {
  const limited = (...args: string[]) =>
    spawnSync("sh", ["-c", 'ulimit -n 64 && exec "$@"', "sh", process.execPath, kleeCommand, ...args], {
      env: host.environment(),
      encoding: "utf8",
    });
  for (const command of [
    ["run", "--rm", "-n", "net", "box", "echo", "done"],
    ["run", "-i", "--rm", "-n", "net", "box", "echo", "done"],
    ["exec", "runs", "echo", "done"],
  ]) {
    const { status, stdout, stderr } = limited(...command);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^done$/m);
  }
  isClean();
});
