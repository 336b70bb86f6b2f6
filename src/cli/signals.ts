import { constants } from "node:os";
import type { Execution, WindowSize } from "../kleene/model.ts";
import type { SignalSource } from "./context.ts";

/** What is passed on unless somebody wants less. */
export const allForwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
export const withoutHangUp = allForwarded.filter((signal) => signal !== "SIGHUP");

/**
 * Passes the signals that klee gets on to a command in a container, while klee itself goes on waiting for it. Those that
 * come before the command has started are kept for it.
 */
export class SignalForwarder {
  readonly #source: SignalSource;
  readonly #listeners = new Map<NodeJS.Signals, () => void>();
  readonly #early: number[] = [];
  #execution: Pick<Execution, "signal"> | undefined;

  constructor(source: SignalSource, forwarded: readonly NodeJS.Signals[]) {
    this.#source = source;
    for (const signal of forwarded) this.#listen(signal, () => this.#forward(constants.signals[signal]));
  }

  /** Sends the command what has come so far and all that will come. */
  attach(execution: Pick<Execution, "signal">): void {
    this.#execution = execution;
    for (const number of this.#early.splice(0)) execution.signal(number);
  }

  /** Gives the command's terminal the size of ours whenever that changes. */
  followWindow(resize: (size: WindowSize) => void, windowSize: () => WindowSize | undefined): void {
    this.#listen("SIGWINCH", () => {
      const size = windowSize();
      if (size !== undefined) resize(size);
    });
  }

  /** Signals have their usual effect on klee again. */
  release(): void {
    for (const [signal, listener] of this.#listeners) this.#source.off(signal, listener);
    this.#listeners.clear();
  }

  #listen(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.set(signal, listener);
    this.#source.on(signal, listener);
  }

  #forward(number: number): void {
    if (this.#execution === undefined) this.#early.push(number);
    else this.#execution.signal(number);
  }
}
