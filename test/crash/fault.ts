import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compiled } from "../support/compile.ts";
import { kleeCommand, type Machine, type Started } from "../support/machine.ts";

/** Whose system calls are counted: klee's, or those of the supervisor that it starts. */
export type Victim = "klee" | "supervisor";

export interface Faulted {
  /** klee's exit status; 137 when it was killed. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** It had to be killed, since it did not end. */
  readonly hangs: boolean;
  /** The points passed: name of the call, and the file written to. The last one is the one stopped at. */
  readonly calls: readonly string[];
}

/** Far more than any command takes. */
const LIMIT_MS = 30_000;

const program = compiled(new URL("fault.c", import.meta.url), "gnu11");

/**
 * Runs klee up to a system call that changes something.
 *
 * @param point number of the call, from 1; 0: klee runs to its end.
 * @param fault "kill": SIGKILL before the call is made; a number: the call fails with this errno.
 */
export function runFaulted(
  machine: Machine,
  args: readonly string[],
  { victim, point, fault }: { readonly victim: Victim; readonly point: number; readonly fault: "kill" | number },
): Faulted {
  const report = `${program()}.report`;
  const words = [report, victim, String(point), String(fault), process.execPath, kleeCommand, ...args];
  const { status, stdout, stderr, error } = spawnSync(program(), words, {
    env: machine.environment(),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const hangs = error !== undefined && "code" in error && error.code === "ETIMEDOUT";
  if (error && !hangs) throw error;
  const calls = readFileSync(report, "utf8").split("\n").filter(Boolean);
  return { status: status ?? 128, stdout, stderr, hangs, calls: calls.map((line) => line.replace(/^\d+ /, "").trim()) };
}

/** A klee that is started to stand still at one of its points, and what it printed so far. */
export interface StandingStill extends Started {
  /** Its process, once it stands still. */
  pid(): number | undefined;
}

/** Starts klee and has it stand still, SIGSTOP, at a system call that changes something, numbered from 1. */
export function standStillAt(machine: Machine, args: readonly string[], point: number): StandingStill {
  const report = join(machine.directory, `report-${point}`);
  const output = `${report}.output`;
  const file = openSync(output, "w");
  const words = [report, "klee", String(point), "stop", process.execPath, kleeCommand, ...args];
  const child = spawn(program(), words, { env: machine.environment(), stdio: ["ignore", file, file] });
  closeSync(file);
  machine.track(child);
  const ended = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 128)));
  const pid = (): number | undefined => {
    const found = existsSync(report) ? /^\d+ stopped (\d+)$/m.exec(readFileSync(report, "utf8")) : null;
    return found === null ? undefined : Number(found[1]);
  };
  return { child, ended, output: () => readFileSync(output, "utf8"), pid };
}
