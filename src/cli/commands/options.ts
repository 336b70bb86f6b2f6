import { type Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../exit-status.ts";

const words = new Map(
  Object.entries({ true: true, yes: true, on: true, 1: true, false: false, no: false, off: false, 0: false }),
);

/** Parses the value of a BOOL option. */
export function parseBool(value: string): boolean {
  const parsed = words.get(value.toLowerCase());
  if (parsed === undefined) throw new InvalidArgumentError("Give true or false.");
  return parsed;
}

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** A command line to run in a container, without the `--` that may stand before it. */
export function innerCommand(words: readonly string[]): readonly string[] {
  return words[0] === "--" ? words.slice(1) : words;
}

export interface ListingOptions {
  readonly format: "table" | "json";
  readonly quiet?: boolean;
  readonly trunc: boolean;
}

/** `--format`, of which the first choice is the default. */
export function addFormatOption(command: Command, formats: readonly [string, ...string[]]): Command {
  return command.addOption(
    new Option("--format <format>", formats.join(" or ")).choices([...formats]).default(formats[0], formats[0]),
  );
}

/** The options that all listings share. */
export function addListingOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--format <format>", "table, or json: one object per line")
        .choices(["table", "json"])
        .default("table", "table"),
    )
    .addOption(new Option("-q, --quiet", "print ids only").conflicts("format"))
    .option("--no-trunc", "do not shorten long commands");
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * An age or a date as Unix time in milliseconds.
 * @throws {UsageError}
 */
export function parseTime(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : now - Number(count) * (unitMs[unit] ?? 0);
  if (Number.isNaN(time))
    throw new UsageError(`${JSON.stringify(text)} is no time: give an age, as in 10m, or a date, as in 2026-11-23`);
  return time;
}
