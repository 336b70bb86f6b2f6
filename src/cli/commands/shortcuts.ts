import type { Command } from "commander";
import type { Session } from "../session.ts";

/** Adds one command, under the given name, to a group or to the program: a shortcut is the same code. */
export type Register = (parent: Command, name: string, session: Session) => void;

export const shortcutHeading = "Shortcuts:";

/** Adds a shortcut to the program and lists it apart from the groups. */
export function addShortcut(program: Command, name: string, register: Register, session: Session): void {
  register(program, name, session);
  program.commands.at(-1)?.helpGroup(shortcutHeading);
}
