import type { Klee } from "../../src/kleene/klee.ts";
import { seed } from "../hostile/seed.ts";
import { settled } from "../support/inventory.ts";
import type { Machine } from "../support/machine.ts";
import { BYSTANDER, type ChangingCommand, clear } from "./commands.ts";
import { type Faulted, runFaulted } from "./fault.ts";

/** Seconds for one survey; with KLEE_SOAK_SECONDS all points are tried, however long that takes. */
const BUDGET_S = 45;
/** A point takes about this many times as long as running the command to its end: looking at what is left is most of it. */
const POINT_COST = 2;

/** One place at which a command is stopped. */
export interface Point {
  readonly command: ChangingCommand;
  readonly number: number;
  readonly call: string;
}

export interface Survey {
  readonly points: number;
  readonly tried: number;
  readonly clean: number;
  readonly failures: readonly string[];
  readonly seed: number;
}

export interface SurveyOptions {
  readonly machine: Machine;
  readonly klee: Klee;
  readonly commands: readonly ChangingCommand[];
  /** What happens at a point, by its place in the list of all. */
  readonly fault: (index: number) => "kill" | number;
  /** What must hold of the stopped command itself; returns what does not. */
  readonly judge: (result: Faulted) => string[];
}

/** Stops each command at each of its points, or at as many as the time allows, and looks at what is left. */
export async function survey({ machine, klee, commands, fault, judge }: SurveyOptions): Promise<Survey> {
  const started = Date.now();
  const points: Point[] = [];
  for (const command of commands) points.push(...(await enumerate(machine, klee, command)));
  const all = process.env.KLEE_SOAK_SECONDS !== undefined;
  const spent = Date.now() - started;
  const affordable = Math.max(1, ((BUDGET_S * 1000 - spent) * commands.length) / (POINT_COST * spent));
  const stride = all ? 1 : Math.max(1, Math.ceil(points.length / affordable));
  const failures: string[] = [];
  let tried = 0;
  let clean = 0;
  for (let index = seed % stride; index < points.length; index += stride) {
    const point = points[index];
    if (point === undefined || (!all && Date.now() - started > BUDGET_S * 1000)) break;
    const { command, number } = point;
    await command.prepare?.(klee);
    const wanted = fault(index);
    const options = { victim: command.victim ?? "klee", point: number, fault: wanted };
    const result = runFaulted(machine, command.args, options);
    const wrong = [...(result.hangs ? ["it hangs"] : judge(result)), ...(await aftermath(machine, klee))];
    await clear(klee);
    wrong.push(...(await settled(machine)).map((line) => `after removal, ${line}`));
    tried += 1;
    if (wrong.length === 0) clean += 1;
    else
      failures.push(
        [
          `klee ${command.args.join(" ")}, ${wanted} at ${command.victim ?? "klee"} ${number}, ${point.call}`,
          ...wrong,
        ].join("\n    "),
      );
  }
  return { points: points.length, tried, clean, failures, seed };
}

/** The points of a command that runs to its end; of a row of writes to one file the first and the last. */
async function enumerate(machine: Machine, klee: Klee, command: ChangingCommand): Promise<Point[]> {
  await command.prepare?.(klee);
  const { calls, stderr } = runFaulted(machine, command.args, {
    victim: command.victim ?? "klee",
    point: 0,
    fault: "kill",
  });
  if (calls.length === 0) throw new Error(`no points in ${command.name}: ${stderr}`);
  await settled(machine);
  await clear(klee);
  return calls
    .map((call, index) => ({ command, number: index + 1, call }))
    .filter(({ call }, index) => call !== calls[index - 1] || call !== calls[index + 1]);
}

/** What the next commands find. */
async function aftermath(machine: Machine, klee: Klee): Promise<string[]> {
  const next = machine.klee(["lsc", "-a"]);
  const wrong = next.status === 0 ? [] : [`the next command failed: ${next.stderr}`];
  wrong.push(...(await settled(machine)));
  const check = machine.klee(["system", "check"]);
  if (check.status !== 0 || check.stdout !== "") wrong.push(`klee system check: ${check.stdout}${check.stderr}`);
  const running = await klee.containers.list({ all: false });
  if (!running.some(({ name }) => name === BYSTANDER)) wrong.push(`lost: ${BYSTANDER} no longer runs`);
  return wrong;
}
