import { messageOf } from "../../kleene/errors.ts";
import { failed } from "../exit-status.ts";
import type { Session } from "../session.ts";

/**
 * Does the same to several objects, one after the other, going on after a failure.
 *
 * @returns the exit status. The failure of a single object is thrown: its status depends on its kind.
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
      status = failed;
    }
  }
  return status;
}
