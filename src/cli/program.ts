import { type Command, CommanderError } from "commander";
import { registerCompletion } from "./commands/completion.ts";
import { containerCommands } from "./commands/container/group.ts";
import { registerHelp } from "./commands/help.ts";
import { imageCommands } from "./commands/image.ts";
import { inspectCommands } from "./commands/inspect.ts";
import { networkCommands } from "./commands/network.ts";
import { systemCommands } from "./commands/system.ts";
import { addCommands, type CommandTable } from "./commands/table.ts";
import { volumeCommands } from "./commands/volume.ts";
import { type Session, VERSION } from "./session.ts";
import { STARTUP_TRACE } from "./startup-trace.ts";
import { readVersion } from "./version.ts";

const commands: CommandTable = {
  ...networkCommands,
  ...containerCommands,
  ...imageCommands,
  ...inspectCommands,
  ...volumeCommands,
  ...systemCommands,
};

/** Builds the command tree under the program, as far as `session.words` make use of it. */
export function registerCommands(program: Command, session: Session): void {
  program
    .description("FreeBSD jail containers with Docker's ease, no daemon; the same commands on Linux.")
    .usage("[options] command ...")
    .enablePositionalOptions()
    .helpCommand(false)
    .option("--root <dir>", "directory of klee's store (KLEE_ROOT)")
    .option("--trace", "print every kernel call on stderr (KLEE_TRACE=1)")
    .option(STARTUP_TRACE, "print where klee's own time went on stderr, in ms")
    .option(VERSION, "print klee's version");
  program.hook("preAction", (_, action) => {
    session.command = action;
  });
  program.on("option:version", () => {
    session.print(readVersion());
    throw new CommanderError(0, "commander.version", "");
  });
  if (session.words[0] !== VERSION) {
    addCommands(program, commands, session.words[0], session);
    registerHelp(program, session);
    program
      .command("version")
      .description("print klee's version")
      .action(
        session.action(async () => {
          session.print(readVersion());
          return 0;
        }),
      );
    registerCompletion(program, session);
  }
  program.addHelpText(
    "after",
    `
Examples:
  klee image create host -t FreeBSD
  klee network create --subnet 10.2.3.0/24 testnet
  klee run -l ipnet -n testnet FreeBSD ifconfig
  klee lsc -a

'klee COMMAND --help' tells more about a command.`,
  );
  for (const command of withDescendants(program)) prepare(command, session);
}

/** The command and all below it, each before its own subcommands. */
export function withDescendants(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withDescendants)];
}

/** Output goes to the session's streams, and failures come back as exceptions to be printed in one place. */
function prepare(command: Command, session: Session): void {
  const { streams } = session.context;
  const toStdout = (text: string): void => streams.write(1, text);
  command
    .configureOutput({
      writeOut: toStdout,
      // Only the help of a group called without a subcommand comes this way.
      writeErr: toStdout,
      outputError: () => {},
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError(command.commands.length === 0)
    .exitOverride((error) => {
      session.command = command;
      throw error;
    });
}
