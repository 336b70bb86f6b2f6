import { Command, CommanderError } from "commander";
import { messageOf } from "../kleene/errors.ts";
import type { CliContext } from "./context.ts";
import { exitStatus, isUsage } from "./exit-status.ts";
import { registerCommands } from "./program.ts";
import { Session } from "./session.ts";
import { printStartupTrace } from "./startup-trace.ts";
import { instead } from "./suggestion.ts";
import { during } from "./timeline.ts";

/**
 * Runs one command line.
 *
 * @param argv the arguments after the program's name.
 * @returns klee's exit status. Never rejects.
 */
export async function run(argv: readonly string[], context: CliContext): Promise<number> {
  const program = new Command("klee");
  const session = new Session(context, program, argv);
  try {
    await during("command line", () => {
      registerCommands(program, session);
      return program.parseAsync([...argv], { from: "user" });
    });
    return session.status;
  } catch (error) {
    if (endedByHelp(error)) return 0;
    reportFailure(program, session, error);
    return exitStatus(error, runsPayload(session.command));
  } finally {
    printStartupTrace(program, context);
  }
}

/** Help or the version was asked for and has been printed. */
function endedByHelp(error: unknown): boolean {
  return error instanceof CommanderError && /^commander\.(help|helpDisplayed|version)$/.test(error.code);
}

function reportFailure(program: Command, session: Session, error: unknown): void {
  const help = isUsage(error) ? ` (see '${pathOf(session.command)} --help')` : "";
  session.report(
    messageOf(error)
      .replace(/^error: /, "")
      .trimEnd() +
      suggestion(program, session, error) +
      help,
  );
  if (session.context.environment.KLEE_DEBUG === "1") session.context.streams.write(2, causes(error));
}

/** Is the status of klee that of a command which it was given to run in a container? */
const runsPayload = (command: Command | undefined): boolean => ["run", "exec"].includes(command?.name() ?? "");

/** Of a command that there is none. */
function suggestion(program: Command, session: Session, error: unknown): string {
  if (!(error instanceof CommanderError && error.code === "commander.unknownCommand")) return "";
  const word = /'(.*)'/.exec(error.message)?.[1] ?? "";
  return instead(program, session.command ?? program, word);
}

/** `klee network create` */
function pathOf(command: Command | undefined): string {
  const names: string[] = [];
  for (let at: Command | null | undefined = command; at; at = at.parent) names.unshift(at.name());
  return names.join(" ") || "klee";
}

/** The error and all that caused it, each with its stack: for bug reports. */
function causes(error: unknown): string {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) lines.push(at.stack ?? String(at));
  return `${lines.join("\ncaused by ")}\n`;
}
