import type { Command } from "commander";
import type { Session } from "../session.ts";

/** Adds one command, under the given name, to a group or to the program: a shortcut is the same code. */
export type Register = (parent: Command, name: string, session: Session) => void;

/** Commands by name, in the order in which help lists them. */
export type CommandTable = Readonly<Record<string, Register>>;

const shortcutHeading = "Shortcuts:";

/**
 * Adds the one of these commands that the command line names, or all of them where it names none: to tell commander of all
 * commands and options takes longer than most of them take, and only help and the completion of a line look at the others.
 *
 * @param named the word of the command line where a name is due.
 */
export function addCommands(parent: Command, table: CommandTable, named: string | undefined, session: Session): void {
  const chosen = named !== undefined && Object.hasOwn(table, named) ? [named] : Object.keys(table);
  for (const name of chosen) table[name]?.(parent, name, session);
}

/** A command that has commands. */
export function group(description: string, table: CommandTable): Register {
  return (program, name, session) => {
    const command = program.command(name).description(description);
    command.enablePositionalOptions().helpCommand(false);
    const [first, second] = session.words;
    addCommands(command, table, first === name ? second : undefined, session);
  };
}

/** The same command outside of its group; help lists it apart from the groups. */
export function shortcut(register: Register): Register {
  return (program, name, session) => {
    register(program, name, session);
    program.commands.at(-1)?.helpGroup(shortcutHeading);
  };
}
