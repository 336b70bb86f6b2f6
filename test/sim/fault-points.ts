import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import type { Klee } from "../../src/kleene/klee.ts";
import { BYSTANDER, type ChangingCommand, changingCommands, clear, furnish, isTold } from "../crash/commands.ts";
import { seed } from "../hostile/seed.ts";
import { before, needs } from "../support/gate.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import type { SimulatedRelease } from "../support/simulator.ts";
import { settled } from "./inventory.ts";

/** For each of the two tests. */
const BUDGET_MS = 15_000;
const all = process.env.KLEE_SOAK_SECONDS !== undefined;

interface Point {
  readonly command: ChangingCommand;
  readonly program: string;
  readonly number: number;
  readonly call: string;
}

const programOf = ({ victim }: ChangingCommand): string => (victim === "supervisor" ? "klee-supervisor" : "node");

/** The calls of the command's process, or of its supervisor, when nothing fails. */
async function pointsOf(host: SimulatedHost, klee: Klee, command: ChangingCommand): Promise<Point[]> {
  await command.prepare?.(klee);
  const log = join(host.directory, "calls");
  writeFileSync(log, "");
  host.klee(command.args, { KLEE_SIM_CALLS: log });
  await settled(host);
  await clear(klee);
  const program = programOf(command);
  const lines = readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([name]) => name === program);
  assert.ok(lines.length > 0, `klee ${command.args.join(" ")}: ${program} makes calls`);
  // A take-down is another klee: the first process is the command's own.
  const pid = lines[0]?.[1];
  return lines
    .filter(([, process]) => process === pid)
    .map(([, , number, ...call]) => ({ command, program, number: Number(number), call: call.join(" ") }));
}

/** What is wrong after a command that was stopped at a point. */
async function trial(
  host: SimulatedHost,
  klee: Klee,
  { command, program, number }: Point,
  fault: string,
): Promise<string[]> {
  await command.prepare?.(klee);
  const { status, stderr } = host.klee(command.args, { KLEE_SIM_FAULT: `${number}:${fault}:${program}` });
  const wrong = /\n\s+at |TypeError|RangeError/.test(stderr) ? [`stack trace: ${stderr}`] : [];
  const killed = fault.startsWith("kill");
  if (!killed && status !== 0 && !isTold(stderr)) wrong.push(`status ${status} without a word: ${stderr}`);
  let next = host.klee(["lsc", "-a"]);
  // The process that starts a container again has the fault in its environment, too: what it left the next command repairs.
  while (next.stdout.includes("restarting")) next = host.klee(["lsc", "-a"]);
  if (next.status !== 0) wrong.push(`the next command failed: ${next.stderr}`);
  wrong.push(...(await settled(host)));
  const check = host.klee(["system", "check"]);
  if (check.status !== 0) wrong.push(`klee system check: ${check.stdout}${check.stderr}`);
  const running = await klee.containers.list({ all: false });
  if (!running.some(({ name }) => name === BYSTANDER)) wrong.push(`lost: ${BYSTANDER} no longer runs`);
  await clear(klee);
  return [...wrong, ...(await settled(host)).map((line) => `after removal, ${line}`)];
}

/** The points of all commands. */
async function enumerate(host: SimulatedHost, klee: Klee): Promise<Point[]> {
  const points: Point[] = [];
  for (const command of changingCommands(host)) points.push(...(await pointsOf(host, klee, command)));
  return points;
}

/** Tries each point, or as many as the time allows, evenly spread. */
async function survey(
  points: readonly Point[],
  faults: readonly string[],
  attempt: (point: Point, fault: string) => Promise<string[]>,
): Promise<{ tried: number; failures: string[] }> {
  const started = Date.now();
  const failures: string[] = [];
  let tried = 0;
  // A step that shares no factor with the number of points comes by all of them.
  const step = coprime(points.length, Math.floor(points.length * 0.618));
  for (let round = 0; round < points.length; round++) {
    if (!all && Date.now() - started > BUDGET_MS) break;
    const point = points[(seed + round * step) % points.length];
    const fault = faults[round % faults.length];
    if (point === undefined || fault === undefined) break;
    const wrong = await attempt(point, fault);
    tried += 1;
    if (wrong.length > 0)
      failures.push(
        [
          `klee ${point.command.args.join(" ")}, ${fault} at ${point.program} ${point.number}, ${point.call}`,
          ...wrong,
        ].join("\n    "),
      );
  }
  return { tried, failures };
}

function coprime(size: number, from: number): number {
  const divides = (a: number, b: number): number => (b === 0 ? a : divides(b, a % b));
  let step = Math.max(1, from);
  while (divides(size, step) !== 1) step += 1;
  return step;
}

/**
 * Tests of every call of FreeBSD's kernel that fails, or that klee or its supervisor is killed at, on the simulator of a
 * release.
 */
export function testFaultPoints(release: SimulatedRelease, name: string): void {
  const gate = needs("root", "busybox");
  const host = new SimulatedHost({
    ...ordinaryMachine,
    release,
    datasets: { zroot: "none", "zroot/ROOT": "none", "zroot/ROOT/default": "/" },
  });
  process.env.KLEE_ROOT = host.root;
  let klee: Klee;
  /** Both tests try the same ones. */
  let points: readonly Point[] | undefined;

  before(async () => {
    klee = await furnish(host);
  });
  after(async () => {
    if (!gate.skip) await klee.close();
    host[Symbol.dispose]();
  });

  const attempt = async (what: string, faults: readonly string[], t: TestContext): Promise<void> => {
    points ??= await enumerate(host, klee);
    const { tried, failures } = await survey(points, faults, (point, fault) => trial(host, klee, point, fault));
    const clean = `${tried - failures.length} of ${tried} clean`;
    t.diagnostic(`${what} of ${name}: ${clean} (${points.length} in all, KLEE_TEST_SEED=${seed})`);
    assert.ok(tried > 0);
    assert.deepEqual(failures, []);
  };

  test(`${name}: a call of FreeBSD's that fails is survived, or undone and told in one line`, gate, (t) =>
    attempt("failing calls", ["ENOMEM", "EIO", "EPERM", "EBUSY"], t),
  );

  test(`${name}: killed at a call of FreeBSD's, or after it, a command leaves nothing that does not agree`, gate, (t) =>
    attempt("kill points", ["kill", "killed-after"], t),
  );
}
