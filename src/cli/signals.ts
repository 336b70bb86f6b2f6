import { constants } from "node:os";
import { monotonicMilliseconds } from "../clock.ts";
import type { Execution, WindowSize } from "../kleene/model.ts";
import type { SignalSource } from "./context.ts";

/** What is passed on unless somebody wants less. */
export const allForwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Exit status of what a signal ended, as sh(1) gives it: this plus the signal's number. */
const SIGNALLED = 128;
export const withoutHangUp = allForwarded.filter((signal) => signal !== "SIGHUP");

/** What asks a program to end. */
const endings: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
/** How long a command may still take to start once klee was asked to end, in milliseconds. */
const STARTING_MS = 1000;
/** Who asks so often within this time, in milliseconds, means klee, not the command, which does not end. */
const INSISTENT = 3;
const INSISTENCE_MS = 3000;

/**
 * Passes the signals that klee gets on to a command in a container, while klee itself goes on waiting for it. Those that
 * come before the command has started are kept for it. klee itself ends, as killed, when the command does not start in
 * a moment; and when it is asked to three times in a row, since others in the container can stop the command.
 */
export class SignalForwarder {
  readonly #source: SignalSource;
  readonly #listeners = new Map<NodeJS.Signals, () => void>();
  readonly #early: number[] = [];
  readonly #report: (message: string) => void;
  #execution: Pick<Execution, "signal"> | undefined;
  #starting: NodeJS.Timeout | undefined;
  #asked: number[] = [];

  /** @param report takes a line on why klee ends before the command. */
  constructor(source: SignalSource, forwarded: readonly NodeJS.Signals[], report: (message: string) => void) {
    this.#source = source;
    this.#report = report;
    for (const signal of forwarded) this.#listen(signal, () => this.#forward(signal));
  }

  /** Sends the command what has come so far and all that will come. */
  attach(execution: Pick<Execution, "signal">): void {
    clearTimeout(this.#starting);
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
    clearTimeout(this.#starting);
    for (const [signal, listener] of this.#listeners) this.#source.off(signal, listener);
    this.#listeners.clear();
  }

  #listen(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.set(signal, listener);
    this.#source.on(signal, listener);
  }

  #forward(signal: NodeJS.Signals): void {
    const number = constants.signals[signal];
    if (this.#execution !== undefined) {
      this.#execution.signal(number);
      if (this.#isInsistent(signal)) this.#leave(number);
      return;
    }
    this.#early.push(number);
    if (endings.includes(signal)) this.#starting ??= setTimeout(() => this.#giveUp(signal), STARTING_MS);
  }

  #isInsistent(signal: NodeJS.Signals): boolean {
    if (signal !== "SIGINT" && signal !== "SIGTERM") return false;
    const now = monotonicMilliseconds();
    this.#asked = [...this.#asked.filter((time) => now - time < INSISTENCE_MS), now];
    return this.#asked.length >= INSISTENT;
  }

  /** The command stays with its container, and its supervisor. */
  #leave(number: number): void {
    this.release();
    this.#report("the command has not ended; it is left to its container");
    // Not by the signal: a terminal gets its settings back.
    this.#source.exit(SIGNALLED + number);
  }

  /** As one that the signal kills: the supervisor hears the end and takes back what was begun. */
  #giveUp(signal: NodeJS.Signals): void {
    this.release();
    this.#report("the command has not started; it is given up");
    this.#source.kill(this.#source.pid, signal);
  }
}
