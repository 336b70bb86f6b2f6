import type { Command } from "commander";
import { during } from "../timeline.ts";
import type { CliContext } from "./context.ts";
import type { Klee } from "./domain.ts";

interface GlobalOptions {
  readonly root?: string;
  readonly trace?: boolean;
}

/** One call of klee: what its commands share. */
export class Session {
  readonly context: CliContext;
  /** Exit status of the call, unless it fails. */
  status = 0;
  /** The command that was recognised last. */
  command: Command | undefined;
  readonly #program: Command;

  constructor(context: CliContext, program: Command) {
    this.context = context;
    this.#program = program;
  }

  /** Turns a function into a commander action. What it returns becomes klee's exit status; nothing means 0. */
  action<A extends unknown[]>(act: (...args: A) => Promise<number | undefined>): (...args: A) => Promise<void> {
    return async (...args) => {
      this.status = (await during("klee", () => act(...args))) ?? 0;
    };
  }

  /** Opens the domain, uses it and closes it again. */
  async withKlee<T>(use: (klee: Klee) => Promise<T>): Promise<T> {
    const { environment } = this.context;
    const { root, trace } = this.#program.opts<GlobalOptions>();
    // The bindings read this variable when they are loaded, and nothing has loaded them yet.
    if (trace) environment.KLEE_TRACE = "1";
    const klee = await this.context.openKlee({
      root: root ?? (environment.KLEE_ROOT || undefined),
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
    this.context.streams.write(2, `klee: ${message.trim().replaceAll(/\s*\n\s*/g, " ")}\n`);
  }
}
