import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { before, needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
/** The keys that detach unless told otherwise: ctrl-p, ctrl-q. */
const DETACH = "\x10\x11";
/** Ends when it reads `end`, with status 5. */
const ECHO = "while read line; do echo got:$line; [ $line = end ] && exit 5; done";

const machine = new Machine();
const { ok } = machine;
const users: ChildProcess[] = [];
after(() => {
  for (const user of users) user.kill("SIGKILL");
  machine[Symbol.dispose]();
});

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh", "sleep", "true", "stty", "cat", "seq"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});

/** A klee with a terminal that script(1) makes, or with pipes. */
function user(args: readonly string[], terminal = true) {
  const command = [process.execPath, kleeCommand, ...args];
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const [program = "", ...rest] = terminal ? ["/usr/bin/script", "-qec", `exec ${quoted}`, "/dev/null"] : command;
  const child = spawn(program, rest, { env: machine.environment(), stdio: ["pipe", "pipe", "pipe"] });
  users.push(child);
  let seen = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      seen += chunk;
    });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const sees = (text: string): Promise<void> =>
    eventually(
      () => seen.includes(text),
      () => `${text} in: ${seen}`,
    );
  return { child, ended, sees, seen: () => seen, type: (text: string) => child.stdin.write(text) };
}

async function eventually(condition: () => boolean, what: () => string): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await sleep(10))
    if (Date.now() > deadline) throw new Error(`not in time: ${what()}`);
}

const isRunning = (name: string): boolean => JSON.parse(ok("isc", name)).container.running;

test("a detached terminal: seen and typed by whoever attaches, left by keys, its status at the end", gate, async () => {
  ok("run", "-dit", "--name", "a", "box", "sh", "-c", `echo first; ${ECHO}`);
  const socket = join(machine.root, "consoles", JSON.parse(ok("isc", "a")).container.id);
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  const one = user(["attach", "a"]);
  await sleep(300);
  one.type("one\r");
  await one.sees("got:one");
  // A key that only begins the sequence is typed with what follows.
  one.type("\x10x\r");
  await one.sees("got:");
  const two = user(["attach", "a"]);
  await sleep(300);
  two.type("two\r");
  await Promise.all([one.sees("got:two"), two.sees("got:two")]);
  one.type(DETACH);
  assert.equal(await one.ended, 0);
  assert.match(one.seen(), /detached from container/);
  assert.equal(isRunning("a"), true);
  two.type("end\r");
  assert.equal(await two.ended, 5);
  assert.equal(ok("wait", "a").trim(), "5");
  assert.match(
    ok("logs", "a"),
    /first[\s\S]*got:one[\s\S]*got:two[\s\S]*got:end/,
    "detached runs are logged, whoever looks",
  );
  assert.equal(existsSync(socket), false);
  const late = machine.klee(["attach", "a"]);
  assert.deepEqual([late.status, /not running/.test(late.stderr)], [1, true]);
  ok("rmc", "-f", "a");
});

test(
  "a terminal that klee was killed at, or left by keys: the container goes on, and its output to the log",
  gate,
  async () => {
    for (const [name, leave] of [
      ["killed", (klee: ReturnType<typeof user>) => klee.child.kill("SIGKILL")],
      ["left", (klee: ReturnType<typeof user>) => klee.type(DETACH)],
    ] as const) {
      const klee = user(["run", "-it", "--name", name, "box", "sh", "-c", `echo first; ${ECHO}`]);
      await klee.sees("first");
      leave(klee);
      await klee.ended;
      assert.equal(isRunning(name), true);
      const again = user(["attach", name]);
      await sleep(300);
      again.type("again\r");
      await again.sees("got:again");
      again.type("end\r");
      assert.equal(await again.ended, 5);
      const log = ok("logs", name);
      assert.match(log, /got:again/);
      assert.doesNotMatch(log, /first/, "what its klee showed is not logged");
      ok("rmc", "-f", name);
    }
  },
);

test("what starts again by policy has a terminal, or an open input, again", gate, async () => {
  for (const connection of ["-dt", "-di"]) {
    const line = "read line; echo got:$line; [ $line = end ] && exit 0; exit 3";
    ok("run", connection, "--restart", "on-failure", "--name", "again", "box", "sh", "-c", line);
    for (const word of ["one", "two", "end"]) {
      await eventually(
        () => isRunning("again"),
        () => `the run that reads ${word}`,
      );
      const klee = user(["attach", "again"], connection === "-dt");
      await sleep(300);
      klee.type(`${word}\n`);
      assert.equal(await klee.ended, word === "end" ? 0 : 3);
    }
    assert.match(ok("logs", "again"), /got:one\s[\s\S]*got:two\s[\s\S]*got:end\s/);
    ok("rmc", "-f", "again");
  }
});

test("the terminal gets the size of whoever attaches", gate, async () => {
  ok("run", "-dit", "--name", "w", "box", "sh", "-c", "stty size; while read line; do stty size; done");
  const klee = user(["attach", "w"]);
  // script(1) has no window here; klee asks /dev/tty.
  await sleep(300);
  klee.type("\r");
  await klee.sees("24 80");
  ok("rmc", "-f", "w");
  assert.equal(await klee.ended, 143);
});

test("without a terminal: what is written from now on; input with -di; all of it, and the status", gate, async () => {
  ok("run", "-d", "-i", "--name", "p", "box", "sh", "-c", `echo before; ${ECHO}`);
  await eventually(
    () => ok("logs", "p").includes("before"),
    () => "log",
  );
  const klee = user(["attach", "p"], false);
  await sleep(300);
  klee.type("one\nend\n");
  assert.equal(await klee.ended, 5);
  assert.equal(klee.seen(), "got:one\ngot:end\n");
  ok("rmc", "p");

  ok("run", "-d", "--name", "q", "box", "sh", "-c", "sleep 1; seq 1 20000; exit 4");
  const all = user(["attach", "q"], false);
  assert.equal(await all.ended, 4);
  assert.equal(all.seen().trim().split("\n").length, 20000);
  ok("rmc", "q");
});

test("signals: passed on, or kept with --no-sig-proxy", gate, async () => {
  ok(
    "run",
    "-d",
    "--name",
    "s",
    "box",
    "sh",
    "-c",
    "trap 'echo caught; exit 7' TERM; echo up; while :; do sleep 0.05; done",
  );
  await eventually(
    () => ok("logs", "s").includes("up"),
    () => "log",
  );
  const looking = user(["attach", "--no-stdin", "--no-sig-proxy", "s"], false);
  await sleep(300);
  looking.child.kill("SIGTERM");
  assert.equal(await looking.ended, null);
  assert.equal(isRunning("s"), true);
  const passing = user(["attach", "s"], false);
  await sleep(300);
  passing.child.kill("SIGTERM");
  assert.equal(await passing.ended, 7);
  assert.equal(passing.seen(), "caught\n");
  ok("rmc", "s");
});

test("nobody else can attach to what goes to the klee that started it", gate, async () => {
  const klee = user(["run", "--name", "f", "box", "sleep", "1000"], false);
  await klee.sees("created execution instance");
  await eventually(
    () => isRunning("f"),
    () => "its start",
  );
  const { status, stderr } = machine.klee(["attach", "f"]);
  assert.deepEqual([status, /start it with -d or -t/.test(stderr)], [1, true]);
  ok("rmc", "-f", "f");
});
