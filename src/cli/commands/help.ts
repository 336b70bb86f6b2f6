import type { Command } from "commander";
import { UsageError } from "../exit-status.ts";
import type { Session } from "../session.ts";
import { instead } from "../suggestion.ts";

/** Adds `help`: the help of a command, however deep it lies. */
export function registerHelp(program: Command, session: Session): void {
  program
    .command("help")
    .description("show the help of a command")
    .argument("[command...]", "as in: klee help network create")
    .action(
      session.action(async (words: string[]) => {
        let found = program;
        for (const word of words) {
          const next = found.commands.find((command) => command.name() === word);
          if (next === undefined) throw new UsageError(`unknown command '${word}'${instead(program, found, word)}`);
          found = next;
        }
        found.outputHelp();
        return 0;
      }),
    );
}
