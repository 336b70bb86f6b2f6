import type { Command } from "commander";
import { UsageError } from "../../exit-status.ts";
import { LogPrinter } from "../../io/log-printer.ts";
import type { Session } from "../../session.ts";
import { parseTime } from "../options.ts";

interface LogsOptions {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly since?: string;
  readonly until?: string;
  readonly timestamps?: boolean;
}

/** Adds `logs`: what a detached container wrote. */
export function logs(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print what a container wrote while no klee showed it")
    .argument("<container>", "name, id or unique start of an id")
    .option("-f, --follow", "go on until the container ends")
    .option("-n, --tail <lines>", "only so many of the last lines")
    .option(
      "--since <time>",
      "only what was written since: 90s, 10m, 2h, 3d ago, or a date, as in 2026-11-23T12:00:00Z",
    )
    .option("--until <time>", "only what was written up to then")
    .option("-t, --timestamps", "print the time of each line before it")
    .addHelpText("after", "\nExample:\n  klee logs -f --tail 20 web")
    .action(
      session.action(async (reference: string, options: LogsOptions) => {
        const { follow, tail, since, until } = options;
        const now = session.context.now();
        const times = { since: parseTime(since, now), until: parseTime(until, now) };
        const printer = new LogPrinter(session, options);
        await session.look(async ({ containers }) => {
          for await (const record of containers.logs(reference, { follow, tail: parseLines(tail), ...times }))
            if (!printer.print(record)) break;
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
