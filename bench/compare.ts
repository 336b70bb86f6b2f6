import { createHash } from "node:crypto";
import type { Contender, Role, Row, Target, Unit } from "./model.ts";
import { figuresOf, median, quantile } from "./statistics.ts";

/** One that takes part in a comparison. */
export interface Entrant {
  readonly name: string;
  readonly role: Role;
  /** Does the work once and returns its cost in the row's unit. What it prepares and undoes is its own to leave out. */
  readonly sample: () => number | Promise<number>;
}

/** One that cannot take part, and why. */
export interface Absentee {
  readonly name: string;
  readonly role: Role;
  readonly missing: string;
}

export interface Extent {
  /** Rounds whose samples are thrown away. */
  readonly warmup: number;
  readonly rounds: number;
  /** Seconds after which no further round begins, once there are `MINIMUM` of them. */
  readonly seconds: number;
}

const MINIMUM = 5;
const noiseSamples: number[] = [];
const block = Buffer.alloc(64 * 1024);

/**
 * Measures the entrants in turn, round by round, every second round in reverse, so that what else the machine does
 * falls on all of them alike. One whose sample throws is left out from there on, with the error as the reason; unless
 * it is klee: then the measurement fails.
 */
export async function compare(
  what: string,
  unit: Unit,
  entrants: readonly (Entrant | Absentee)[],
  extent: Extent,
  conditions: readonly Condition[] = [],
): Promise<Row> {
  const samples = new Map<string, number[]>(entrants.map(({ name }) => [name, []]));
  const missing = new Map<string, string>();
  const present = entrants.filter((entrant) => "sample" in entrant);
  for (const entrant of entrants) if ("missing" in entrant) missing.set(entrant.name, entrant.missing);
  const deadline = performance.now() + extent.seconds * 1000;
  for (let round = -extent.warmup; round < extent.rounds; round++) {
    if (round >= MINIMUM && performance.now() > deadline) break;
    timeFixedWork();
    for (const { name, role, sample } of round % 2 === 0 ? present : present.toReversed()) {
      if (missing.has(name)) continue;
      try {
        const value = await sample();
        if (round >= 0) samples.get(name)?.push(value);
      } catch (error) {
        if (role === "klee") throw new Error(`${what}: ${String(error)}`, { cause: error });
        missing.set(name, error instanceof Error ? error.message : String(error));
      }
    }
  }
  const own = samples.get(entrants.find(({ role }) => role === "klee")?.name ?? "") ?? [];
  const contenders = entrants.map(({ name, role }): Contender => {
    const reason = missing.get(name);
    if (reason !== undefined) return { name, role, missing: reason };
    const values = samples.get(name) ?? [];
    return { name, role, figures: figuresOf(values), ratio: role === "klee" ? undefined : ratio(own, values) };
  });
  return { what, unit, contenders, targets: conditions.map((condition) => condition(contenders)) };
}

/** A row of one figure that needs no comparison. */
export function rowOf(
  what: string,
  unit: Unit,
  values: readonly number[],
  conditions: readonly Condition[] = [],
  others: readonly Contender[] = [],
): Row {
  const contenders: Contender[] = [{ name: "klee", role: "klee", figures: figuresOf(values) }, ...others];
  return { what, unit, contenders, targets: conditions.map((condition) => condition(contenders)) };
}

function ratio(own: readonly number[], other: readonly number[]): number {
  return median(own.slice(0, other.length).map((value, round) => value / (other[round] ?? Number.NaN)));
}

function timeFixedWork(): void {
  const start = performance.now();
  for (let pass = 0; pass < 8; pass++) createHash("sha256").update(block).digest();
  noiseSamples.push(performance.now() - start);
}

/** Spread of the fixed computation so far. */
export function noise(): number {
  if (noiseSamples.length === 0) return 0;
  return (quantile(noiseSamples, 0.9) - quantile(noiseSamples, 0.1)) / median(noiseSamples);
}

/** Judges a row's contenders. */
export type Condition = (contenders: readonly Contender[]) => Target;

const find = (contenders: readonly Contender[], name: string): Contender | undefined =>
  contenders.find((contender) => contender.name === name);
const klee = (contenders: readonly Contender[]): number =>
  contenders.find(({ role }) => role === "klee")?.figures?.median ?? Number.NaN;

/** At most so much, in the row's unit. */
export const atMost =
  (limit: number, unit: Unit): Condition =>
  (contenders) => ({ text: `<= ${limit} ${unit}`, met: klee(contenders) <= limit });

/** At most so many times what another takes. */
export const atMostTimes =
  (factor: number, name: string): Condition =>
  (contenders) => {
    const found = find(contenders, name)?.ratio;
    return { text: `<= ${factor} x ${name}`, met: found === undefined ? undefined : found <= factor };
  };

/** At least so many times what another gives, where more is better. */
export const atLeastTimes =
  (factor: number, name: string): Condition =>
  (contenders) => {
    const found = find(contenders, name)?.ratio;
    return { text: `>= ${factor} x ${name}`, met: found === undefined ? undefined : found >= factor };
  };

/** Faster than another, by this factor. */
export const fasterThan =
  (name: string, factor = 1): Condition =>
  (contenders) => {
    const found = find(contenders, name)?.ratio;
    const text = factor === 1 ? `faster than ${name}` : `>= ${factor} x faster than ${name}`;
    return { text, met: found === undefined ? undefined : found < 1 / factor };
  };

/** At most so much more than another takes, in the row's unit. */
export const atMostOver =
  (name: string, limit: number, unit: Unit): Condition =>
  (contenders) => {
    const other = find(contenders, name)?.figures?.median;
    return {
      text: `<= ${name} + ${limit} ${unit}`,
      met: other === undefined ? undefined : klee(contenders) - other <= limit,
    };
  };

/** At most so many times a figure measured before. */
export const flatWithin =
  (factor: number, reference: number, of: string): Condition =>
  (contenders) => ({ text: `<= ${factor} x ${of}`, met: klee(contenders) <= factor * reference });
