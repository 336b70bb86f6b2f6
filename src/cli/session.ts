import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import type { Klee } from "./domain.ts";
import { printableLine } from "./io/printable.ts";
import { STARTUP_TRACE } from "./startup-trace.ts";
import { during } from "./timeline.ts";

/** Asks for klee's version, and for no command. */
export const VERSION = "--version";

interface GlobalOptions {
  readonly root?: string;
  readonly trace?: boolean;
}

/** One call of klee: what its commands share. */
export class Session {
  readonly context: CliContext;
  /** The command line from the name of a command, or VERSION, on; nothing where that is not plain to see. */
  readonly words: readonly string[];
  /** Exit status of the call, unless it fails. */
  status = 0;
  /** The command that was recognised last. */
  command: Command | undefined;
  readonly #program: Command;

  constructor(context: CliContext, program: Command, argv: readonly string[]) {
    this.context = context;
    this.words = commandWords(argv);
    this.#program = program;
  }

  /** Turns a function into a commander action. What it returns becomes klee's exit status; nothing means 0. */
  action<A extends unknown[]>(act: (...args: A) => Promise<number | undefined>): (...args: A) => Promise<void> {
    return async (...args) => {
      this.status = (await during("klee", () => act(...args))) ?? 0;
    };
  }

  /** Opens the domain, uses it and closes it again. */
  withKlee<T>(use: (klee: Klee) => Promise<T>): Promise<T> {
    return this.#withKlee(true, use);
  }

  /** {@link withKlee} to change nothing, which works as well where what a crash left behind cannot be repaired. */
  look<T>(use: (klee: Klee) => Promise<T>): Promise<T> {
    return this.#withKlee(false, use);
  }

  async #withKlee<T>(mustRepair: boolean, use: (klee: Klee) => Promise<T>): Promise<T> {
    const { environment } = this.context;
    const { root, trace } = this.#program.opts<GlobalOptions>();
    const klee = await this.context.openKlee({
      root: root ?? (environment.KLEE_ROOT || undefined),
      mustRepair,
      trace: trace ?? !["", "0"].includes(environment.KLEE_TRACE ?? ""),
      onWarning: (message) => this.report(`warning: ${message}`),
    });
    try {
      return await use(klee);
    } finally {
      await klee.close();
    }
  }

  /** A result: one line on standard output. */
  print(line: string): void {
    this.context.streams.write(1, `${line}\n`);
  }

  /** A message: one line on standard error. */
  report(message: string): void {
    this.context.streams.write(2, `klee: ${printableLine(message)}\n`);
  }
}

/** What follows the options of klee itself, as they are mostly written. */
function commandWords(argv: readonly string[]): readonly string[] {
  let at = 0;
  for (let word = argv[at]; word?.startsWith("-") && word !== VERSION; word = argv[at]) {
    if (word === "--root") at += 2;
    else if (word.startsWith("--root=") || word === "--trace" || word === STARTUP_TRACE) at++;
    else return [];
  }
  return argv.slice(at);
}
