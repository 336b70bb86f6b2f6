import { messageOf } from "../../kleene/errors.ts";
import { exitStatus } from "../exit-status.ts";
import type { Session } from "../session.ts";

/**
 * Does the same to several objects, one after the other, going on after a failure.
 *
 * @returns the exit status: that of the first failure, as if it had been the only one.
 */
export async function forEach(
  session: Session,
  references: readonly string[],
  act: (reference: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const reference of references) {
    try {
      await act(reference);
    } catch (error) {
      if (references.length === 1) throw error;
      session.report(messageOf(error));
      status ||= exitStatus(error, false);
    }
  }
  return status;
}
