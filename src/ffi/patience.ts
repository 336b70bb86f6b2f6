import { monotonicMilliseconds } from "../clock.ts";

/** Longest pause between two tries, in milliseconds. */
const MAX_PAUSE_MS = 20;

/**
 * Bounds for how long something is tried again that others disturb. Pauses are of random length, so that two who disturb
 * each other part, and short at first: most disturbances are over at once.
 */
export class Patience {
  readonly #deadline: number;
  readonly #sleep: (microseconds: number) => unknown;
  #tries = 0;

  /**
   * @param milliseconds how long it lasts, from now on.
   * @param sleep usleep(3), which no runtime's idea of waiting comes into.
   */
  constructor(milliseconds: number, sleep: (microseconds: number) => unknown) {
    this.#sleep = sleep;
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
    this.#sleep(Math.ceil(milliseconds * 1000));
    return true;
  }
}
