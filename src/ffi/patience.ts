import { monotonicMilliseconds } from "../clock.ts";

/** Longest pause between two tries, in milliseconds. */
const MAX_PAUSE_MS = 20;

/**
 * Bounds for how long something is tried again that others disturb. Pauses are of random length, so that two who disturb
 * each other part, and short at first: most disturbances are over at once.
 */
export class Patience {
  readonly #deadline: number;
  #tries = 0;

  /** @param milliseconds how long it lasts, from now on. */
  constructor(milliseconds: number) {
    this.#deadline = monotonicMilliseconds() + milliseconds;
  }

  /**
   * Waits a moment, the whole thread.
   *
   * @returns false, at once, when patience is at an end.
   */
  pause(): boolean {
    if (monotonicMilliseconds() >= this.#deadline) return false;
    this.#tries++;
    const milliseconds = Math.random() * Math.min(this.#tries, MAX_PAUSE_MS);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, milliseconds);
    return true;
  }
}
