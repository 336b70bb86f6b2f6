import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Finished, kleeCommand, waitUntil } from "./machine.ts";
import { buildRoot } from "./rootfs.ts";

/** A host to run klee on. */
export interface StreamHost {
  readonly root: string;
  environment(): NodeJS.ProcessEnv;
  folder(name: string): string;
  run(program: string, ...args: string[]): string;
}

type Stdio = "ignore" | "pipe" | number;
type Gate = { readonly skip?: boolean | string };

const NOBODY = "65534:65534";

/**
 * What a container's standard streams are: its own, whoever starts it and however. Of a container's processes the pids are
 * the host's, so that what they have open can be looked at from here.
 *
 * @param names does a container's /dev have names for its standard streams?
 */
export function streamCases(host: StreamHost, gate: Gate, { names }: { readonly names: boolean }): void {
  const children = new Set<ChildProcess>();
  after(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  function klee(args: readonly string[], stdio: readonly [Stdio, Stdio, Stdio] = ["ignore", "pipe", "pipe"]): Finished {
    const { status, stdout, stderr } = spawnSync(process.execPath, [kleeCommand, ...args], {
      env: host.environment(),
      stdio: [...stdio],
      encoding: "utf8",
      maxBuffer: 1 << 28,
      timeout: 60_000,
    });
    return { status: status ?? 128, stdout, stderr };
  }

  function ok(...args: string[]): string {
    const { status, stdout, stderr } = klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  function start(args: readonly string[], stdio: readonly [Stdio, Stdio, Stdio]): ChildProcess {
    const child = spawn(process.execPath, [kleeCommand, ...args], { env: host.environment(), stdio: [...stdio] });
    children.add(child);
    return child;
  }

  const pidOf = (name: string): number => {
    const path = join(host.root, "runs", JSON.parse(ok("isc", name)).container.id);
    waitUntil(() => existsSync(path) && /^\d+\n/.test(readFileSync(path, "utf8")), `${name} to start`);
    return Number(readFileSync(path, "utf8").split("\n")[0]);
  };

  const logged = (name: string): string => {
    const { stdout, stderr } = klee(["logs", name]);
    return stdout + stderr;
  };

  before(() => {
    if (gate.skip) return;
    buildRoot(host.folder("rootfs"), [
      "sh",
      "sleep",
      "true",
      "cat",
      "yes",
      "head",
      "seq",
      "chmod",
      "tr",
      "setsid",
      "dd",
    ]);
    ok("image", "create", "dir", host.folder("rootfs"), "-t", "box");
  });

  const check = (name: string, body: () => void | Promise<void>): void => {
    test(name, gate, body);
  };

  check("no standard descriptor of a container is one that klee was given, however it is started", async () => {
    const file = join(host.folder("given"), "secret");
    writeFileSync(file, "secret\n");
    chmodSync(file, 0o400);
    const waits = ["sh", "-c", "echo up; sleep 1000"];
    const ways: readonly (readonly [name: string, args: readonly string[]])[] = [
      ["run", ["run", "--name", "w0", "box", ...waits]],
      ["run -i", ["run", "-i", "--name", "w1", "box", ...waits]],
      ["run -d", ["run", "-d", "--name", "w2", "box", ...waits]],
      ["run -di", ["run", "-d", "-i", "--name", "w3", "box", ...waits]],
      ["run -dt", ["run", "-d", "-t", "--name", "w4", "box", ...waits]],
      ["run, to /dev/null", ["run", "--name", "w5", "box", ...waits]],
    ];
    for (const [index, [way, args]] of ways.entries()) {
      const to = way.endsWith("/dev/null") ? "/dev/null" : join(host.folder("given"), `output${index}`);
      const [input, output] = [openSync(file, "r"), openSync(to, "w")];
      const child = start(args, [input, output, output]);
      for (const fd of [input, output]) closeSync(fd);
      waitUntil(() => klee(["isc", `w${index}`]).status === 0, `${way} to begin`);
      const pid = pidOf(`w${index}`);
      for (const fd of [0, 1, 2]) {
        const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
        assert.match(target, /^pipe:|\/null$|\/dev\/pts|^\/\d+$/, `${way}: descriptor ${fd}`);
        const { dev, ino } = statSync(`/proc/${pid}/fd/${fd}`);
        for (const own of [file, "/dev/null"]) {
          const { dev: ownDev, ino: ownIno } = statSync(own);
          assert.notDeepEqual([dev, ino], [ownDev, ownIno], `${way}: descriptor ${fd} is ${own}`);
        }
      }
      assert.deepEqual(
        readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2),
        [],
        way,
      );
      ok("rmc", "-f", `w${index}`);
      await new Promise<void>((resolve) => (child.exitCode === null ? child.once("exit", () => resolve()) : resolve()));
    }
    assert.equal(statSync(file).mode & 0o7777, 0o400);
    assert.equal(readFileSync(file, "utf8"), "secret\n");
  });

  check("what is typed after klee has ended reaches nobody in the container", () => {
    const folder = host.folder("keys");
    host.run("mkfifo", join(folder, "typed"));
    const both = openSync(join(folder, "typed"), "r+");
    ok("run", "-d", "--name", "keys", "box", "sleep", "1000");
    const line = "setsid cat <&0 >/keys & setsid cat <&1 >>/keys & sleep 0.2";
    assert.equal(klee(["exec", "keys", "sh", "-c", line], [both, both, both]).status, 0);
    writeFileSync(both, "typed by root\n");
    assert.equal(ok("exec", "keys", "cat", "/keys").replace(/^created.*\n|^.*exited.*\n|^\n/gm, ""), "");
    closeSync(both);
    ok("rmc", "-f", "keys");
  });

  check("stdin: piped in, its end told; a file stays as it is", () => {
    const input = join(host.folder("input"), "lines");
    writeFileSync(input, "one\ntwo\n");
    chmodSync(input, 0o600);
    const fd = openSync(input, "r+");
    const { status, stdout } = klee(
      ["run", "--rm", "-i", "box", "sh", "-c", "cat; echo three >&0; chmod 4777 /dev/stdin"],
      [fd, "pipe", "pipe"],
    );
    closeSync(fd);
    assert.notEqual(status, 125);
    assert.equal(stdout, "one\ntwo\n");
    assert.equal(readFileSync(input, "utf8"), "one\ntwo\n");
    assert.equal(statSync(input).mode & 0o7777, 0o600);
  });

  check("both outputs apart, in order and whole, for run and exec, to a file, at a file's end, to a pipe", () => {
    const line = "seq 1 20000; echo error >&2; seq 20001 30000";
    const wanted = Array.from({ length: 30000 }, (_, index) => `${index + 1}\n`).join("");
    ok("run", "-d", "--name", "apart", "box", "sleep", "1000");
    for (const args of [
      ["run", "--rm", "box", "sh", "-c", line],
      ["exec", "apart", "sh", "-c", line],
    ]) {
      const piped = klee(args);
      assert.equal(piped.stdout, wanted);
      assert.match(piped.stderr, /^error$/m);
      for (const flags of ["w", "a"]) {
        const path = join(host.folder("outputs"), `${args[0]}-${flags}`);
        if (flags === "a") writeFileSync(path, "before\n");
        const fd = openSync(path, flags);
        assert.equal(klee(args, ["ignore", fd, "pipe"]).status, 0);
        closeSync(fd);
        assert.equal(readFileSync(path, "utf8"), (flags === "a" ? "before\n" : "") + wanted);
      }
    }
    ok("rmc", "-f", "apart");
  });

  check("who reads no more ends the writer, as in a pipeline", async () => {
    const child = start(["run", "--rm", "box", "yes"], ["ignore", "pipe", "ignore"]);
    await new Promise<void>((resolve) => child.stdout?.once("data", () => resolve()));
    child.stdout?.destroy();
    const status = await new Promise((resolve) => child.once("exit", resolve));
    // 128 + SIGPIPE, or the program's own word.
    assert.ok(status === 141 || status === 1, String(status));
  });

  check("a reader that is slow makes the container wait, and loses nothing", async () => {
    const child = start(["run", "--rm", "box", "sh", "-c", "seq 1 500000; echo done >&2"], ["ignore", "pipe", "pipe"]);
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk;
    });
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.doesNotMatch(said, /^done$/m, "more than pipes can hold is not written before somebody reads");
    const ended = new Promise((resolve) => child.once("exit", resolve));
    let read = "";
    for await (const chunk of child.stdout ?? []) read += chunk;
    assert.equal(await ended, 0);
    assert.equal(read, Array.from({ length: 500000 }, (_, index) => `${index + 1}\n`).join(""));
  });

  check("klee is killed: the container goes on, and what it writes is in the log", async () => {
    const child = start(
      ["run", "--name", "left", "box", "sh", "-c", "echo shown; while :; do echo more; sleep 0.1; done"],
      ["ignore", "pipe", "ignore"],
    );
    let seen = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      seen += chunk;
    });
    while (!seen.includes("more\n")) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGKILL");
    waitUntil(() => logged("left").includes("more\nmore\n"), "output in the log");
    assert.doesNotMatch(logged("left"), /shown/);
    assert.equal(JSON.parse(ok("isc", "left")).container.running, true);
    ok("rmc", "-f", "left");
  });

  check("what a command of exec leaves behind writes on, to nobody, and lives", () => {
    ok("run", "-d", "--name", "behind", "box", "sleep", "1000");
    ok("exec", "behind", "sh", "-c", "(sleep 0.3; echo one; sleep 0.3; echo two; echo alive >/alive) & echo begun");
    waitUntil(() => klee(["exec", "behind", "cat", "/alive"]).stdout.includes("alive"), "the one left behind");
    ok("rmc", "-f", "behind");
    waitUntil(() => !host.run("ps", "-A", "-o", "args").includes(`klee-supervisor behind`), "its supervisor's end");
  });

  check("a container that has ended: its whole output is in the log before anybody hears of the end", () => {
    for (let round = 0; round < 5; round += 1) {
      ok("run", "-d", "--name", "quick", "box", "sh", "-c", "seq 1 5000; echo error >&2; exit 3");
      assert.equal(klee(["wait", "quick"]).stdout.trim(), "3");
      const { stdout, stderr } = klee(["logs", "quick"]);
      assert.equal(stdout, Array.from({ length: 5000 }, (_, index) => `${index + 1}\n`).join(""));
      assert.equal(stderr, "error\n");
      ok("rmc", "quick");
    }
  });

  const byName = (): void => {
    ok(
      "run",
      "-d",
      "--name",
      "named",
      "-u",
      NOBODY,
      "box",
      "sh",
      "-c",
      "echo one; echo two >/dev/stderr; echo three >/dev/stdout",
    );
    waitUntil(() => !JSON.parse(ok("isc", "named")).container.running, "its end");
    assert.deepEqual(klee(["logs", "named"]), { status: 0, stdout: "one\nthree\n", stderr: "two\n" });
    ok("rmc", "named");
    const attached = klee(["run", "--rm", "-u", NOBODY, "box", "sh", "-c", "echo x >/dev/stdout; echo y >/dev/stderr"]);
    assert.equal(attached.stdout, "x\n");
    assert.match(attached.stderr, /^y$/m);
  };
  if (names) check("a user that is not root opens its own streams by name; a reopened log loses nothing", byName);

  const takenBack = async (): Promise<void> => {
    const fifo = join(host.folder("taken"), "fifo");
    host.run("mkfifo", fifo);
    const fd = openSync(fifo, "r+");
    ok("run", "-d", "--name", "taken", "box", "sleep", "1000");
    // More than klee's output takes, less than that and the command's own pipe together.
    const line = "(sleep 1.2; exec cat 3>&1 </proc/self/fd/1 >/dev/null) & exec head -c 1500000 /dev/zero";
    const child = start(["exec", "taken", "sh", "-c", line], ["ignore", fd, "ignore"]);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    await pause(700);
    const chunk = Buffer.alloc(65536);
    readSync(fd, chunk);
    await pause(1500);
    readSync(fd, chunk);
    assert.equal(await Promise.race([ended, pause(5000).then(() => "still there")]), 0);
    closeSync(fd);
    ok("rmc", "-f", "taken");
  };
  if (names) check("what a process takes back from its own output is not waited for", takenBack);

  check("any bytes, and lines without an end: all of the last 5 MiB at least, and no more than 10", () => {
    const line = "i=0; while [ $i -lt 12 ]; do head -c 1048576 /dev/zero | tr '\\0' x; i=$((i+1)); done; echo";
    ok("run", "-d", "--name", "long", "-J", "mount.devfs", "box", "sh", "-c", line);
    waitUntil(() => !JSON.parse(ok("isc", "long")).container.running, "its end");
    const { length } = ok("logs", "long");
    assert.ok(length >= 5 << 20 && length <= 10 << 20, String(length));
    const { id } = JSON.parse(ok("isc", "long")).container;
    const kept = readdirSync(join(host.root, "logs")).filter((file) => file.startsWith(id));
    assert.deepEqual(kept.sort(), [`${id}.log`, `${id}.log.old`]);
    assert.ok(kept.every((file) => statSync(join(host.root, "logs", file)).size <= 5 << 20));
    ok("rmc", "long");
  });

  check("a full file system neither stops nor ends a container; what was lost is told", () => {
    const logs = join(host.root, "logs");
    mkdirSync(logs, { recursive: true });
    host.run("mount", "-t", "tmpfs", "-o", "size=64k", "none", logs);
    try {
      const shared = host.folder("go");
      const line = "seq 1 100000; echo written >/go/written; while [ ! -e /go/on ]; do sleep 0.05; done; echo after";
      ok("run", "-d", "--name", "full", "-m", `${shared}:/go`, "box", "sh", "-c", line);
      waitUntil(() => existsSync(join(shared, "written")), "the end of its writing");
      host.run("mount", "-o", "remount,size=8m", logs);
      writeFileSync(join(shared, "on"), "");
      waitUntil(() => !JSON.parse(ok("isc", "full")).container.running, "its end");
      const { stdout, stderr } = klee(["logs", "full"]);
      assert.ok(stdout.endsWith("after\n"), stdout.slice(-40));
      assert.match(stderr, /^klee: \d+ bytes of output could not be kept: No space left on device/m);
      ok("rmc", "full");
    } finally {
      host.run("umount", logs);
    }
  });

  check("the time of each line, and a part of the log by time", () => {
    ok("run", "-d", "--name", "dated", "box", "sh", "-c", "echo one; sleep 1.2; echo two; echo three");
    waitUntil(() => !JSON.parse(ok("isc", "dated")).container.running, "its end");
    const lines = ok("logs", "-t", "dated").trim().split("\n");
    assert.deepEqual(
      lines.map((text) => text.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z /, "")),
      ["one", "two", "three"],
    );
    const [first = "", second = ""] = lines.map((text) => text.split(" ")[0] ?? "");
    assert.ok(Date.parse(second) - Date.parse(first) >= 1000, `${first} ${second}`);
    assert.equal(ok("logs", "--until", new Date(Date.parse(first) + 500).toISOString(), "dated"), "one\n");
    assert.equal(ok("logs", "--since", new Date(Date.parse(first) + 500).toISOString(), "dated"), "two\nthree\n");
    ok("rmc", "dated");
  });

  check("logs -f goes on over the change of files, and begins before there is one", async () => {
    const shared = host.folder("follow");
    host.run("mkfifo", join(shared, "go"));
    ok(
      "run",
      "-d",
      "--name",
      "follow",
      "-m",
      `${shared}:/go`,
      "box",
      "sh",
      "-c",
      "cat /go/go; seq 1 2000000; echo end",
    );
    const path = join(host.folder("followed"), "output");
    const file = openSync(path, "w");
    const follower = start(["logs", "-f", "follow"], ["ignore", file, file]);
    closeSync(file);
    const ended = new Promise((resolve) => follower.once("exit", resolve));
    await new Promise((resolve) => setTimeout(resolve, 300));
    host.run("sh", "-c", 'echo begin > "$1"', "sh", join(shared, "go"));
    assert.equal(await ended, 0);
    const lines = readFileSync(path, "utf8").split("\n");
    assert.equal(lines.at(-2), "end");
    // More than both files hold: a reader that keeps up has it all, one that does not has the last of it.
    assert.ok(lines.length > 700000, String(lines.length));
    ok("rmc", "follow");
  });
}
