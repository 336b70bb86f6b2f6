import { CommanderError } from "commander";
import { KleeError } from "../kleene/errors.ts";

/** The command line itself is wrong. Printed with the way to the command's help. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something else than a failure of klee ended the command, and it was said already. */
export const failed = 1;

/** Of a command that only klee itself runs. */
const ownFailure = { usage: 2, other: failed } as const;

/** Of a command whose status is the payload's: the statuses that no payload should use. */
const payloadFailure = { notFound: 127, notExecutable: 126, other: 125 } as const;

/**
 * The exit status for a failure.
 *
 * @param payload does the command pass on the status of a command in a container (`run`, `exec`, attached `start`)?
 */
export function exitStatus(error: unknown, payload: boolean): number {
  const code = error instanceof KleeError ? error.code : undefined;
  if (payload) {
    if (code === "COMMAND_NOT_FOUND") return payloadFailure.notFound;
    if (code === "COMMAND_NOT_EXECUTABLE") return payloadFailure.notExecutable;
    return payloadFailure.other;
  }
  return isUsage(error) || code === "INVALID" ? ownFailure.usage : ownFailure.other;
}

/** Is it the command line that is wrong, seen before anything was asked of the domain? */
export function isUsage(error: unknown): boolean {
  return error instanceof UsageError || error instanceof CommanderError;
}
