import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import koffi from "koffi";
import { type Console, relayConsole, type Supervised, setWindowSize } from "../../src/ffi/native.ts";
import { needs } from "../support/gate.ts";
import { eventually, type Jail, withJail } from "./jail.ts";

const terminal = { rows: 37, columns: 91 };

/** A process on a terminal, with all that it shows in a file. */
async function startOnTerminal(jail: Jail, argv: readonly string[], stdin: number | "null" = "null") {
  const path = join(jail.directory, "screen");
  const stdout = openSync(path, "w");
  const supervised = await jail.start(argv, { process: { terminal } });
  const relayed = relayConsole(consoleOf(supervised), stdin, stdout, Buffer.alloc(0));
  const screen = () => readFileSync(path, "utf8");
  return { supervised, relayed: relayed.finally(() => closeSync(stdout)), screen };
}

function consoleOf(supervised: Supervised): Console {
  assert.ok(supervised.console !== undefined);
  return supervised.console;
}

function masterOf(supervised: Supervised): number {
  const { master } = consoleOf(supervised);
  assert.ok(master !== undefined);
  return master;
}

/** A terminal whose other side has gone: reading it gives its end, as on Linux hung_up_tty_read of tty_io.c does. */
function hungUpTerminal(): number {
  const libc = koffi.load("libc.so.6");
  const master: number = libc.func("int posix_openpt(int flags)")(constants.O_RDWR | constants.O_NOCTTY);
  assert.ok(master >= 0);
  assert.equal(libc.func("int unlockpt(int fd)")(master), 0);
  const name: string = libc.func("const char *ptsname(int fd)")(master);
  const terminal = openSync(name, constants.O_RDWR | constants.O_NOCTTY);
  closeSync(master);
  assert.equal(readSync(terminal, Buffer.alloc(1)), 0);
  return terminal;
}

describe("terminals", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("the size, the name and the controlling terminal", () =>
    withJail(async (jail) => {
      const { relayed, screen } = await startOnTerminal(jail, ["sh", "-c", "stty size; tty; echo here > /dev/tty"]);
      await relayed;
      assert.equal(screen(), "37 91\r\n/dev/pts/0\r\nhere\r\n");
    }));

  test("it belongs to the user", () =>
    withJail(async (jail) => {
      const supervised = await jail.start(["stat", "-c", "%u %g %a", "/dev/pts/0"], {
        process: { terminal, user: "web" },
      });
      const path = join(jail.directory, "screen");
      const stdout = openSync(path, "w");
      await relayConsole(consoleOf(supervised), "null", stdout, Buffer.alloc(0));
      closeSync(stdout);
      assert.equal(readFileSync(path, "utf8"), "80 5 620\r\n");
    }));

  test("^C interrupts", () =>
    withJail(async (jail) => {
      const { supervised, relayed, screen } = await startOnTerminal(jail, ["sh", "-c", "echo ready; exec sleep 1000"]);
      await eventually("prompt", () => screen().includes("ready") || undefined);
      writeSync(masterOf(supervised), "\x03");
      assert.equal((await supervised.exited).signal, 2);
      await relayed;
    }));

  test("a new size is told", () =>
    withJail(async (jail) => {
      const line = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done";
      const { supervised, relayed, screen } = await startOnTerminal(jail, ["sh", "-c", line]);
      await eventually("prompt", () => screen().includes("ready") || undefined);
      setWindowSize(masterOf(supervised), 10, 20);
      await relayed;
      assert.equal(screen(), "ready\r\n10 20\r\n");
      assert.throws(() => setWindowSize(openSync("/dev/null", "r"), 1, 1), { code: "ENOTTY" });
    }));

  test("a file as input reaches it, and its end is the end", () =>
    withJail(async (jail) => {
      const path = join(jail.directory, "input");
      writeFileSync(path, "typed\nunfinished");
      const stdin = openSync(path, "r");
      const { relayed, supervised, screen } = await startOnTerminal(jail, ["sh", "-c", "stty -echo; echo; cat"], stdin);
      await relayed;
      closeSync(stdin);
      assert.equal((await supervised.exited).code, 0);
      assert.match(screen(), /typed\r\nunfinished$/);
    }));

  test("a terminal as input that was hung up is not the end of the input", () =>
    withJail(async (jail) => {
      const stdin = hungUpTerminal();
      const line = "echo ready; read line; echo got:$line; exec sleep 1000";
      const { supervised, screen } = await startOnTerminal(jail, ["sh", "-c", line], stdin);
      await eventually("prompt", () => screen().includes("ready") || undefined);
      await sleep(200);
      assert.equal(screen(), "ready\r\n");
      writeSync(masterOf(supervised), "\x04");
      await eventually("the end, when it is typed", () => screen().includes("got:") || undefined);
      closeSync(stdin);
    }));

  test("no output is lost at the end", () =>
    withJail(async (jail) => {
      const line = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
      const { relayed, screen } = await startOnTerminal(jail, ["sh", "-c", line]);
      await relayed;
      const lines = screen().split("\r\n");
      assert.equal(lines.length, 20001);
      assert.equal(lines.at(-2), "line 19999");
    }));

  test("a process left behind with the terminal does not hold the relay", () =>
    withJail(async (jail) => {
      const { supervised, relayed, screen } = await startOnTerminal(jail, [
        "sh",
        "-c",
        "trap '' HUP; setsid sleep 1000 & echo done",
      ]);
      await relayed;
      assert.match(screen(), /done\r\n/);
      assert.equal((await supervised.exited).jailEmpty, false);
    }));

  test("the user's own terminal is raw meanwhile, and as before afterwards", () =>
    withJail(async (jail) => {
      // script(1) gives the client a terminal; the client relays it.
      const client = join(import.meta.dirname, "terminal-client.ts");
      const argv = ["sh", "-c", "echo ready; read line; echo got:$line"];
      const spec = JSON.stringify(jail.spec("run", argv, { process: { terminal } }));
      const path = join(jail.directory, "spec");
      writeFileSync(path, spec);
      const line = `stty -a > ${path}.before; ${process.execPath} --import tsx ${client} ${path}; stty -a > ${path}.after`;
      const user = spawn("/usr/bin/script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
      let seen = "";
      user.stdout.on("data", (chunk: Buffer) => {
        seen += chunk;
      });
      const ended = new Promise((resolve) => user.once("exit", resolve));
      await eventually(
        "the client has looked",
        () => (seen.includes("ready") && existsSync(`${path}.during`)) || undefined,
      );
      user.stdin.write("word\r");
      await ended;
      assert.match(seen, /ready\r\nword\r\ngot:word\r\n/);
      assert.match(readFileSync(`${path}.during`, "utf8"), /-icanon/);
      assert.equal(readFileSync(`${path}.after`, "utf8"), readFileSync(`${path}.before`, "utf8"));
    }));
});
