import { randomInt } from "node:crypto";

const soaking = process.env.KLEE_SOAK_SECONDS !== undefined;

/**
 * A soak takes a new seed each time and prints it with each failure; otherwise the same is tried in every run, so that
 * a change is what breaks a test. KLEE_TEST_SEED takes another one.
 */
export const seed = Number(process.env.KLEE_TEST_SEED ?? (soaking ? randomInt(1 << 30) : 1));

/** Multiplies the runs: a soak of minutes does more of each property. */
export const runs = (count: number): number => count * (soaking ? 20 : 1);

/** A generator of numbers below `limit`, the same ones for the same seed (mulberry32). */
export function numbers(start: number): (limit: number) => number {
  let state = start >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
