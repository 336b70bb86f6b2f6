import { Argument, type Command } from "commander";
import { candidates } from "../completion/candidates.ts";
import { type Shell, scripts } from "../completion/scripts.ts";
import type { Session } from "../session.ts";

/** Adds `klee completion` and the hidden command that its scripts call. */
export function registerCompletion(program: Command, session: Session): void {
  program
    .command("completion")
    .description("print a script that lets a shell complete klee's command lines")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(scripts)))
    .addHelpText(
      "after",
      `
Examples:
  source <(klee completion bash)
  source <(klee completion zsh)
  klee completion fish | source`,
    )
    .action(
      session.action(async (shell: Shell) => {
        session.context.streams.write(1, scripts[shell]);
        return 0;
      }),
    );
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .passThroughOptions()
    .action(
      session.action(async (words: string[]) => {
        try {
          const found = await candidates(program, words, (use) => session.look(use));
          for (const { word, description } of found) session.print(`${word}\t${description}`);
        } catch {
          // A shell's user who may not ask klee, or cannot now, gets no names; a message would spoil the line.
        }
        return 0;
      }),
    );
}
