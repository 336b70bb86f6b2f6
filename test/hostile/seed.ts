import { randomInt } from "node:crypto";

/** A new seed in each run, printed with each failure; KLEE_TEST_SEED takes an earlier one. */
export const seed = Number(process.env.KLEE_TEST_SEED ?? randomInt(1 << 30));

/** Multiplies the runs: a soak of minutes does more of each property. */
export const runs = (count: number): number => count * (process.env.KLEE_SOAK_SECONDS === undefined ? 1 : 20);

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
