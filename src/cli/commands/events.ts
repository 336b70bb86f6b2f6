import type { Command } from "commander";
import type { KleeEvent } from "../../kleene/model.ts";
import { formatJsonLine } from "../io/json.ts";
import { printable } from "../io/printable.ts";
import type { Session } from "../session.ts";
import { addFormatOption, parseTime } from "./options.ts";

interface EventsOptions {
  readonly since?: string;
  readonly follow: boolean;
  readonly format: string;
}

/** Adds `events`: what changes in the store, as it happens. */
export function events(parent: Command, name: string, session: Session): void {
  const command = parent
    .command(name)
    .description("print what happens to networks, containers, images and volumes, until interrupted")
    .option("--since <time>", "begin with what happened since: 90s, 10m, 2h, 3d ago, or a date")
    .option("--no-follow", "print what is kept of the past, and end");
  addFormatOption(command, ["text", "json"])
    .addHelpText("after", "\nExample:\n  klee events --since 1h --format json")
    .action(
      session.action(async ({ since, follow, format }: EventsOptions) => {
        const request = { since: parseTime(since, session.context.now()), follow };
        await session.look(async ({ system }) => {
          for await (const event of system.events(request)) {
            session.print(format === "json" ? formatJsonLine(event) : lineOf(event));
            if (session.context.streams.isUnread(1)) break;
          }
        });
        return 0;
      }),
    );
}

/** `2026-11-24T12:00:00.123Z container end 0123456789ab web exit_code=3` */
function lineOf({ time, type, action, id, name, details }: KleeEvent): string {
  const pairs = Object.entries(details).map(([key, value]) => `${key}=${value}`);
  return printable([time, type, action, id, name, ...pairs].filter((word) => word !== "").join(" "));
}
