import assert from "node:assert/strict";
import { once } from "node:events";
import { constants } from "node:os";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { KleeError } from "../../../src/kleene/errors.ts";
import type { CreateContainer, ExecutionOptions, ExecutionTerminal, WindowSize } from "../../../src/kleene/model.ts";
import { FakeCli, FakeExecution, klee, type Parts, type Surroundings } from "./fake.ts";
import { hungryKnuth } from "./samples.ts";

const ended = { status: 0, containerEnded: true };

/** Containers whose commands are the given execution. */
function running(execution: FakeExecution, seen: ExecutionOptions[] = []): Parts & { removed: string[] } {
  const removed: string[] = [];
  const begin = async (_reference: string, options: ExecutionOptions) => {
    seen.push(options);
    options.onCreated?.(execution.id);
    return execution;
  };
  return {
    removed,
    containers: {
      create: async () => hungryKnuth,
      start: begin,
      exec: begin,
      restart: begin,
      remove: async (reference) => {
        removed.push(reference);
        return reference;
      },
    },
  };
}

async function stdioOf(argv: readonly string[], surroundings?: Surroundings): Promise<ExecutionOptions["stdio"]> {
  const seen: ExecutionOptions[] = [];
  await klee(running(new FakeExecution(ended), seen), argv, surroundings);
  assert.equal(seen.length, 1);
  return (seen[0] as ExecutionOptions).stdio;
}

test("run says what it does around the output, and ends with the command's status", async () => {
  const { status, stdout, stderr } = await klee(running(new FakeExecution({ status: 3, containerEnded: true })), [
    "run",
    "FreeBSD",
    "false",
  ]);
  assert.equal(
    stdout,
    "f455de07ac84\ncreated execution instance ec74e2e87920\n\nexecutable ec74e2e87920 and its container exited with exit-code 3\n",
  );
  assert.deepEqual([status, stderr], [3, ""]);
});

test("a pipe carries the command's output alone", async () => {
  const { status, stdout, stderr } = await klee(
    running(new FakeExecution({ status: 71, containerEnded: false })),
    ["exec", "hungry_knuth", "ping", "10.2.3.1"],
    { terminals: [0, 2] },
  );
  assert.equal(stdout, "");
  assert.equal(stderr, "created execution instance ec74e2e87920\n\nec74e2e87920 has exited with exit-code 71\n");
  assert.equal(status, 71);
});

test("detached: the ids are the result, wherever they go", async () => {
  for (const terminals of [[0, 1, 2], []]) {
    const execution = new FakeExecution();
    const { status, stdout, stderr } = await klee(running(execution), ["run", "-d", "FreeBSD"], { terminals });
    assert.deepEqual([status, stdout, stderr], [0, "f455de07ac84\ncreated execution instance ec74e2e87920\n", ""]);
    assert.equal(execution.detached, true);
  }
});

test("restart is detached, and prints the container's id first", async () => {
  const execution = new FakeExecution();
  const { stdout } = await klee(running(execution), ["restart", "c1"]);
  assert.equal(stdout, "d763328950a2\ncreated execution instance ec74e2e87920\n");
  assert.equal(execution.detached, true);
});

test("descriptors are handed over; standard input with -i only", async () => {
  assert.deepEqual(await stdioOf(["exec", "c1", "ls"]), { stdin: "null", stdout: 1, stderr: 2 });
  assert.deepEqual(await stdioOf(["exec", "-i", "c1", "cat"]), { stdin: 0, stdout: 1, stderr: 2 });
  assert.deepEqual(await stdioOf(["start", "-d", "c1"]), { stdin: "null", stdout: "null", stderr: "null" });
});

test("-t asks for a terminal of the window's size, else COLUMNS and LINES, else 80x24", async () => {
  const window = { rows: 50, columns: 132 };
  const size = async (surroundings: Surroundings) => (await stdioOf(["run", "-it", "FreeBSD"], surroundings)).terminal;
  assert.deepEqual(await size({ window, environment: { COLUMNS: "9" } }), window);
  assert.deepEqual(await size({ environment: { COLUMNS: "100", LINES: "30" } }), { rows: 30, columns: 100 });
  assert.deepEqual(await size({ environment: { COLUMNS: "-1", LINES: "x" } }), { rows: 24, columns: 80 });
});

test("the terminal is relayed, and follows the window", async () => {
  const sizes: WindowSize[] = [];
  const relayed: unknown[] = [];
  let close = (): void => {};
  const terminal: ExecutionTerminal = {
    relay: (stdin, stdout) => {
      relayed.push([stdin, stdout]);
      cli.signals.emit("relayed");
      return new Promise((resolve) => {
        close = () => resolve(false);
      });
    },
    resize: (size) => sizes.push(size),
  };
  const cli = new FakeCli(running(new FakeExecution(ended, terminal)));
  const outcome = cli.run("exec", "-it", "c1", "sh");
  await once(cli.signals, "relayed");
  cli.window = { rows: 40, columns: 90 };
  cli.signals.emit("SIGWINCH");
  cli.window = undefined;
  cli.signals.emit("SIGWINCH");
  assert.doesNotMatch(cli.stdout, /exit-code/);
  close();
  assert.equal((await outcome).status, 0);
  assert.deepEqual(relayed, [[0, 1]]);
  assert.deepEqual(sizes, [{ rows: 40, columns: 90 }]);
  assert.equal(cli.signals.listenerCount("SIGWINCH"), 0);
});

test("keys detach: klee ends, and the command goes on", async () => {
  const typed: Buffer[] = [];
  const terminal: ExecutionTerminal = {
    relay: async (_stdin, _stdout, keys) => {
      typed.push(keys);
      return true;
    },
    resize: () => {},
  };
  const execution = new FakeExecution(undefined, terminal);
  const { status, stderr } = await klee(running(execution), ["run", "-it", "--detach-keys", "ctrl-x,y", "FreeBSD"]);
  assert.deepEqual([status, execution.detached, typed], [0, true, [Buffer.from("\x18y")]]);
  assert.match(stderr, /klee: detached from container /);
  const refused = await klee(running(execution), ["run", "-it", "--detach-keys", "ctrl-1", "FreeBSD"]);
  assert.deepEqual([refused.status, refused.stderr.includes('"ctrl-1" is no key')], [125, true]);
});

test("a terminal that fails is reported, and the command's status still counts", async () => {
  const terminal: ExecutionTerminal = {
    relay: async (stdin) => {
      assert.equal(stdin, "null");
      throw new Error("read: EIO");
    },
    resize: () => {},
  };
  const { status, stderr } = await klee(running(new FakeExecution({ status: 9, containerEnded: true }, terminal)), [
    "exec",
    "-t",
    "c1",
    "sh",
  ]);
  assert.deepEqual([status, stderr], [9, "klee: terminal: read: EIO\n"]);
});

test("signals go to the command, those that came too early as well; klee waits on", async () => {
  const execution = new FakeExecution();
  const parts = running(execution);
  const cli = new FakeCli({
    containers: {
      ...parts.containers,
      start: async () => {
        cli.signals.emit("SIGTERM");
        setImmediate(() => cli.signals.emit("started"));
        return execution;
      },
    },
  });
  const outcome = cli.run("run", "FreeBSD");
  await once(cli.signals, "started");
  const names = ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
  for (const name of names) cli.signals.emit(name);
  const { signals } = constants;
  assert.deepEqual(execution.received, [signals.SIGTERM, ...names.map((name) => signals[name])]);
  execution.end({ status: 143, containerEnded: true });
  assert.equal((await outcome).status, 143);
  for (const name of ["SIGTERM", ...names]) assert.equal(cli.signals.listenerCount(name), 0, name);
});

test("klee ends at a signal when the command does not start in a moment", async () => {
  const cli = new FakeCli({
    containers: { ...running(new FakeExecution()).containers, start: () => new Promise<never>(() => undefined) },
  });
  void cli.run("run", "FreeBSD");
  await setTimeout(10);
  cli.signals.emit("SIGUSR1");
  cli.signals.emit("SIGTERM");
  await setTimeout(500);
  assert.equal(cli.left, undefined, "not at once: the command may be about to start");
  await setTimeout(1000);
  assert.equal(cli.left, "SIGTERM");
  assert.equal(cli.signals.listenerCount("SIGTERM"), 0, "it has its usual effect");
  assert.match(cli.stderr, /klee: the command has not started; it is given up\n$/);
});

test("klee ends at the third request in a row when the command does not", async () => {
  const execution = new FakeExecution();
  const cli = new FakeCli(running(execution));
  void cli.run("exec", "c1", "sh");
  await setTimeout(10);
  cli.signals.emit("SIGINT");
  cli.signals.emit("SIGTERM");
  assert.equal(cli.left, undefined);
  cli.signals.emit("SIGUSR1");
  assert.equal(cli.left, undefined);
  cli.signals.emit("SIGINT");
  assert.equal(cli.left, 130);
  const { SIGINT, SIGTERM, SIGUSR1 } = constants.signals;
  assert.deepEqual(execution.received, [SIGINT, SIGTERM, SIGUSR1, SIGINT], "the command hears all of them");
  assert.match(cli.stderr, /klee: the command has not ended; it is left to its container\n$/);
});

test("signals have their usual effect again after a failed start", async () => {
  const cli = new FakeCli({ containers: { start: () => Promise.reject(new KleeError("HOST", "mount: EPERM")) } });
  assert.deepEqual(await cli.run("start", "c1"), { status: 1, stdout: "", stderr: "klee: mount: EPERM\n" });
  assert.deepEqual(cli.signals.eventNames(), []);
  assert.equal(cli.closed, 1);
});

test("--rm: the domain removes what has ended, klee what was never started", async () => {
  const asked: (boolean | undefined)[] = [];
  const create = async ({ removedAtEnd }: CreateContainer) => {
    asked.push(removedAtEnd);
    return hungryKnuth;
  };
  const done = running(new FakeExecution(ended));
  for (const argv of [
    ["run", "--rm", "FreeBSD"],
    ["run", "FreeBSD"],
    ["run", "-d", "--rm", "FreeBSD"],
  ])
    assert.equal((await klee({ containers: { ...done.containers, create } }, argv)).status, 0);
  assert.deepEqual(asked, [true, undefined, true]);
  assert.deepEqual(done.removed, []);

  const alive = running(new FakeExecution({ status: 0, containerEnded: false }));
  const { stderr } = await klee(alive, ["run", "--rm", "FreeBSD", "/etc/rc"]);
  assert.equal(stderr, "klee: container f455de07ac84 still runs; it is removed when it has ended\n");

  const refused = running(new FakeExecution(ended));
  const start = () => Promise.reject(new KleeError("COMMAND_NOT_FOUND", "nope: no such command"));
  const failure = await klee({ containers: { ...refused.containers, start } }, ["run", "--rm", "FreeBSD", "nope"]);
  assert.deepEqual([failure.status, refused.removed], [127, ["f455de07ac84"]]);
});

test("options that exclude each other", async () => {
  for (const argv of [
    ["exec", "-di", "c1", "cat"],
    ["exec", "-dt", "c1", "ls"],
    ["start", "a", "b"],
  ]) {
    const cli = new FakeCli();
    const { status, stderr } = await cli.run(...argv);
    assert.equal(status, argv[0] === "start" ? 2 : 125, argv.join(" "));
    assert.match(stderr, /^klee: [^\n]+ \(see 'klee (run|exec|start) --help'\)\n$/);
    assert.deepEqual(cli.opened, []);
  }
});

test("start -d starts several and goes on after a failure", async () => {
  const started: string[] = [];
  const start = async (reference: string) => {
    if (reference === "b") throw new KleeError("NOT_FOUND", "container not found: b");
    started.push(reference);
    return new FakeExecution(undefined, undefined, `${reference}-execution`);
  };
  const { status, stdout, stderr } = await klee({ containers: { start } }, ["start", "-d", "a", "b", "c"]);
  assert.deepEqual(started, ["a", "c"]);
  assert.equal(stdout, "created execution instance a-execution\ncreated execution instance c-execution\n");
  assert.deepEqual([status, stderr], [1, "klee: container not found: b\n"]);
});
