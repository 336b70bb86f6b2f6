import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Finished, kleeCommand, type Started, waitUntil } from "./machine.ts";

/** A host, real or simulated, with an image `box` that has a shell. */
export interface ExecHost {
  klee(args: readonly string[]): Finished;
  startKlee(args: readonly string[]): Started;
  environment(): NodeJS.ProcessEnv;
}

/** How long commands sleep, so that no other process of this machine is taken for one of them. */
const [FIRST, HEEDS, IGNORES, LEFT] = [1000, 1001, 1002, 1003].map((seconds) => `${seconds}.${process.pid}`) as [
  string,
  string,
  string,
  string,
];
const STOPPING = `2.${process.pid}`;
/** The keys that detach: ctrl-p, ctrl-q. */
const DETACH = "\x10\x11";

/** Command lines of this machine's processes, each word with a NUL behind it. */
function commandLines(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, "latin1")] : [];
    } catch {
      return [];
    }
  });
}

const sleepers = (seconds: string): number => commandLines().filter((line) => line === `sleep\0${seconds}\0`).length;
/** Supervisors have the container's id among their arguments. */
const supervisors = (id: string): number =>
  commandLines().filter((line) => line.includes(`\0${id}\0`) || line.startsWith(`${id}\0`)).length;

function succeed(host: ExecHost, ...args: readonly string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** `klee exec -it` at a terminal that script(1) makes. */
function execAtTerminal(host: ExecHost, name: string, command: readonly string[]): ChildProcess {
  const line = [process.execPath, kleeCommand, "exec", "-it", name, ...command].map((word) => `'${word}'`).join(" ");
  return spawn("/usr/bin/script", ["-qec", `exec ${line}`, "/dev/null"], {
    env: host.environment(),
    stdio: ["pipe", "ignore", "ignore"],
  });
}

/**
 * The terminals of `klee exec -it` close: the commands hear of it by SIGHUP, what does not heed that is killed, and no
 * supervisor of them stays. One that was left by the keys goes on.
 */
export async function tryHangUp(host: ExecHost): Promise<void> {
  const id = succeed(host, "run", "-d", "--name", "hang", "box", "sleep", FIRST).split("\n")[0] ?? "";
  const before = supervisors(id);
  const heeds = execAtTerminal(host, "hang", ["sleep", HEEDS]);
  const ignores = execAtTerminal(host, "hang", ["sh", "-c", `trap "" HUP; exec sleep ${IGNORES}`]);
  const left = execAtTerminal(host, "hang", ["sleep", LEFT]);
  const terminals = [heeds, ignores, left];
  try {
    for (const seconds of [HEEDS, IGNORES, LEFT]) waitUntil(() => sleepers(seconds) === 1, `sleep ${seconds}`);
    assert.equal(supervisors(id), before + 3, "a supervisor for each command");
    // Until klee has made the terminal raw, ctrl-q means something else to it, and is lost.
    left.stdin?.on("error", () => undefined);
    const typing = setInterval(() => left.stdin?.write(DETACH), 200);
    await new Promise((resolve) => left.once("exit", resolve));
    clearInterval(typing);
    heeds.kill("SIGKILL");
    ignores.kill("SIGKILL");
    const closed = Date.now();
    waitUntil(() => sleepers(HEEDS) === 0, "the end by SIGHUP");
    assert.equal(sleepers(IGNORES), 1, "what ignores SIGHUP has time");
    while (sleepers(IGNORES) > 0) {
      assert.ok(Date.now() - closed < 20_000, "what ignores SIGHUP does not end");
      await sleep(50);
    }
    waitUntil(() => supervisors(id) === before + 1, "the supervisors of the commands that ended to end");
    assert.equal(sleepers(LEFT), 1, "what was left by the keys goes on");
    assert.equal(sleepers(FIRST), 1);
  } finally {
    for (const terminal of terminals) terminal.kill("SIGKILL");
  }
  succeed(host, "rmc", "-f", "hang");
  assert.equal(sleepers(LEFT), 0);
}

/** `klee exec` comes while its container is being stopped: it is refused, and the container stays stopped. */
export async function tryExecDuringStop(host: ExecHost): Promise<void> {
  const id = succeed(
    host,
    "run",
    "-d",
    "--name",
    "halt",
    "-J",
    `exec.stop=sleep ${STOPPING}`,
    "box",
    "sleep",
    "1000",
  ).split("\n")[0];
  const stop = host.startKlee(["stop", "halt"]);
  waitUntil(() => sleepers(STOPPING) > 0, "exec.stop");
  const { status, stderr } = host.klee(["exec", "halt", "true"]);
  assert.equal(await stop.ended, 0, stop.output());
  assert.equal(status, 125, stderr);
  assert.match(stderr, new RegExp(`^klee: halt \\(${id}\\) was stopped; 'klee start' starts it again$`, "m"));
  assert.equal(succeed(host, "lsc", "-q"), "");
  assert.equal(JSON.parse(succeed(host, "isc", "halt")).container.running, false);
  assert.equal(host.klee(["exec", "halt", "true"]).status, 0, "a stopped one is started");
  succeed(host, "rmc", "halt");
}
