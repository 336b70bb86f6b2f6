import type { Command } from "commander";
import { UsageError } from "../../exit-status.ts";
import type { Session } from "../../session.ts";
import { parseTime } from "../options.ts";

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
        await session.look(async ({ containers }) => {
          for await (const piece of containers.logs(reference, request)) {
            context.streams.write(1, piece);
            if (context.streams.isUnread(1)) break;
          }
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
