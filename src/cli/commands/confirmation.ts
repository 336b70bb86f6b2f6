import { KleeError } from "../../kleene/errors.ts";
import type { Session } from "../session.ts";

/**
 * Asks whether something may be removed, unless that was said already.
 *
 * @param what completes `This will remove ...`.
 * @returns false after a refusal.
 * @throws {KleeError} INVALID when nobody can be asked.
 */
export function confirmed(session: Session, what: string, force: boolean | undefined): boolean {
  if (force) return true;
  const { streams } = session.context;
  if (!streams.isTerminal(0))
    throw new KleeError("INVALID", `this would remove ${what}, and nobody can be asked: give -f to go on`);
  // Prompts are no result: `klee network prune > removed` must still ask.
  streams.write(2, `WARNING! This will remove ${what}.\nAre you sure you want to continue? [y/N]: `);
  if (/^\s*y(es)?\s*$/i.test(streams.readLine() ?? "")) return true;
  streams.write(2, "Aborted!\n");
  return false;
}
