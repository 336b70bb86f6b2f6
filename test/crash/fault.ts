import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { compiled } from "../support/compile.ts";
import { kleeCommand, type Machine } from "../support/machine.ts";

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
