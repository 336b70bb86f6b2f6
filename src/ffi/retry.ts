import { monotonicMilliseconds } from "../clock.ts";

/** Longest pause between two tries, in milliseconds. */
const MAX_PAUSE_MS = 20;

/**
 * Bounds how long something is tried again that others are at as well. The pauses are of random length, so that two who
 * disturb each other part, and grow from short ones: most disturbances are over at once.
 */
export class Backoff {
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
   * @returns false, at once, when the time is over.
   */
  pause(): boolean {
    if (monotonicMilliseconds() >= this.#deadline) return false;
    this.#tries++;
    const milliseconds = Math.random() * Math.min(this.#tries, MAX_PAUSE_MS);
    this.#sleep(Math.ceil(milliseconds * 1000));
    return true;
  }
}

/**
 * Does the work, and again, at once, while it fails in a way that the next try may not.
 *
 * @param tries how often at most.
 * @param isPassing is another try of use after this error? It may first do what makes it so.
 */
export function retry<T>(tries: number, isPassing: (error: unknown) => boolean, work: () => T): T {
  for (let attempt = 1; ; attempt++)
    try {
      return work();
    } catch (error) {
      if (attempt >= tries || !isPassing(error)) throw error;
    }
}

/**
 * Asks for a list, and again while it has grown beyond the room for it.
 *
 * @param tries how often at most: what does not fit then is cut off.
 * @param room for how many items, at first.
 * @param ask gives the items, and how many there are.
 */
export function askWithRoom<T>(
  tries: number,
  room: number,
  ask: (room: number) => { readonly count: number; readonly items: readonly T[] },
): readonly T[] {
  const { count, items } = ask(room);
  return count <= room || tries <= 1 ? items.slice(0, count) : askWithRoom(tries - 1, count, ask);
}
