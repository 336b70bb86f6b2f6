import type { Extent } from "./compare.ts";

/** How thoroughly to measure. */
export interface Scale {
  readonly quick: boolean;
}

/** The extent of a comparison whose full run is to take so many seconds at most. */
export function extent(scale: Scale, seconds: number, rounds = 1000): Extent {
  return scale.quick ? { warmup: 1, rounds: 5, seconds: seconds / 10 } : { warmup: 5, rounds, seconds };
}

/** The sizes to try: the quick run leaves the large ones out. */
export function sizes(scale: Scale, small: readonly number[], large: readonly number[]): readonly number[] {
  return scale.quick ? small : [...small, ...large];
}
