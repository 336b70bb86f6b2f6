import type { Session } from "../session.ts";

/**
 * Asks whether something may be removed, unless that was said already. The answer may come from a pipe as well:
 * `echo y | klee network prune`; where nothing comes, that is a refusal.
 *
 * @param what completes `This will remove ...`.
 * @returns false after a refusal.
 */
export function confirmed(session: Session, what: string, force: boolean | undefined): boolean {
  if (force) return true;
  const { streams } = session.context;
  // Prompts are no result: `klee network prune > removed` must still ask.
  streams.write(2, `WARNING! This will remove ${what}.\nAre you sure you want to continue? [y/N]: `);
  if (/^\s*y(es)?\s*$/i.test(streams.readLine() ?? "")) return true;
  streams.write(
    2,
    streams.isTerminal(0) ? "Aborted!\n" : "\nAborted! Nobody answered yes: give -f to go on without being asked.\n",
  );
  return false;
}
