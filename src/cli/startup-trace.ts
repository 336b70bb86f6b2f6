import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { timeline } from "./timeline.ts";

/** An option by itself, not a value of --trace, which would take the command for one. */
export const STARTUP_TRACE = "--trace=startup";
const OPTION_KEY = STARTUP_TRACE.slice(2);

/** Prints what each part of this call took so far, if it was asked for: a line each, and their sum. */
export function printStartupTrace(program: Command, { streams }: CliContext): void {
  if (program.opts<Record<string, unknown>>()[OPTION_KEY] !== true) return;
  const parts = timeline();
  const total = parts.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
  const lines = [...parts, ["total", total] as const].map(
    ([part, milliseconds]) => `${part.padEnd(14)}${milliseconds.toFixed(2).padStart(8)}\n`,
  );
  streams.write(2, lines.join(""));
}
