import type { Command } from "commander";
import { UsageError } from "../../exit-status.ts";
import type { Session } from "../../session.ts";

interface LogsOptions {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly since?: string;
}

/** Adds `logs`: what a detached container wrote. */
export function logs(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print what a container wrote while it was detached")
    .argument("<container>", "name, id or unique start of an id")
    .option("-f, --follow", "go on until the container ends")
    .option("-n, --tail <lines>", "only so many of the last lines")
    .option(
      "--since <time>",
      "only what was written since: 90s, 10m, 2h, 3d ago, or a date, as in 2026-11-23T12:00:00Z",
    )
    .addHelpText("after", "\nExample:\n  klee logs -f --tail 20 web")
    .action(
      session.action(async (reference: string, { follow, tail, since }: LogsOptions) => {
        const { context } = session;
        const request = { follow, tail: parseLines(tail), since: parseTime(since, context.now()) };
        await session.withKlee(async ({ containers }) => {
          for await (const piece of containers.logs(reference, request)) context.streams.write(1, piece);
        });
        return 0;
      }),
    );
}

function parseLines(text: string | undefined): number | undefined {
  if (text === undefined || text === "all") return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${JSON.stringify(text)} is no number of lines`);
  return Number(text);
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An age or a date as Unix time in milliseconds. */
function parseTime(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : now - Number(count) * (unitMs[unit] ?? 0);
  if (Number.isNaN(time))
    throw new UsageError(`${JSON.stringify(text)} is no time: give an age, as in 10m, or a date, as in 2026-11-23`);
  return time;
}
