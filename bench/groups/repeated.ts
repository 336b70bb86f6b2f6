import { atMost, rowOf } from "../compare.ts";
import type { Row } from "../model.ts";
import type { Scale } from "../scale.ts";

/** Calls that are timed together: one is shorter than the clock's own cost. */
export const AT_ONCE = 500;

/** Takes samples of the time of one call, in microseconds. */
export function timedTogether(call: () => unknown): () => number {
  return () => {
    const start = process.hrtime.bigint();
    for (let count = 0; count < AT_ONCE; count++) call();
    return Number(process.hrtime.bigint() - start) / 1000 / AT_ONCE;
  };
}

/** Bytes by which the process has grown after many calls, for each: what is never given back. */
export function memoryKept(what: string, call: () => unknown, scale: Scale): Row {
  const calls = scale.quick ? 5_000 : 100_000;
  const passes = 4;
  const used: number[] = [];
  for (let pass = 0; pass <= passes; pass++) {
    for (let count = 0; count < calls; count++) call();
    used.push(usedAfterCollection());
  }
  // The first pass warms up: code is compiled, pools fill.
  const grown = used.slice(1).map((bytes, index) => (bytes - (used[index] ?? 0)) / calls);
  return rowOf(`${what}: memory kept per call`, "bytes", grown, [atMost(1, "bytes")]);
}

function usedAfterCollection(): number {
  // The harness runs its groups with --expose-gc.
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
