import type { Klee } from "./domain.ts";
import { type Streams, systemStreams } from "./io/streams.ts";
import { ended, keepsTime } from "./timeline.ts";

/** Where the signals sent to klee arrive, and how it ends at one: `process`, or an emitter in tests. */
export interface SignalSource {
  readonly pid: number;
  exit(status: number): void;
  kill(pid: number, signal: NodeJS.Signals): unknown;
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** All that the CLI takes from outside, so that a test can put something else in its place. */
export interface CliContext {
  readonly streams: Streams;
  readonly signals: SignalSource;
  readonly environment: Record<string, string | undefined>;
  /** Milliseconds since the epoch. */
  now(): number;
  openKlee(options: {
    readonly root?: string | undefined;
    readonly mustRepair: boolean;
    /** Print each call of the kernel on standard error? */
    readonly trace: boolean;
    readonly onWarning: (message: string) => void;
  }): Promise<Klee>;
}

/** The real process. The domain is loaded by the first command that needs it. */
export function systemContext(): CliContext {
  return {
    streams: systemStreams,
    signals: process,
    environment: process.env,
    now: Date.now,
    async openKlee(options) {
      const domain = await import("../kleene/index.ts");
      if (options.trace) domain.onCall(domain.printCalls("klee: "));
      if (keepsTime()) {
        domain.onCall(({ call, startedAt }) => ended(call === "dlopen" ? "library" : "kernel", startedAt));
        domain.onStep(ended);
      }
      return domain.openKlee(options);
    },
  };
}
