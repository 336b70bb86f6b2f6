import type { Command } from "commander";
import type { Klee } from "../domain.ts";
import { failed } from "../exit-status.ts";
import type { Session } from "../session.ts";
import { confirmed } from "./confirmation.ts";

interface ForceOption {
  readonly force?: boolean;
}

/**
 * Completes a command that removes many objects after asking, and prints what it removed, one per line.
 *
 * @param what completes `This will remove ...`.
 */
export function removesMany<O extends ForceOption>(
  command: Command,
  session: Session,
  what: (options: O) => string,
  remove: (klee: Klee, options: O) => Promise<readonly string[]>,
): void {
  command.option("-f, --force", "do not ask").action(
    session.action(async (options: O) => {
      if (!confirmed(session, what(options), options.force)) return failed;
      for (const removed of await session.withKlee((klee) => remove(klee, options))) session.print(removed);
      return 0;
    }),
  );
}
