import { CommanderError } from "commander";
import { KleeError } from "../kleene/errors.ts";

/** The command line itself is wrong. Printed with the way to the command's help. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something else than a failure of klee ended the command, and it was said already. */
export const failed = 1;

/** Of klee itself, whatever the command. */
const ownFailure = { usage: 2, other: failed } as const;

/** Where a container's command does not start: what a shell says of it. */
const commandFailure = { notFound: 127, notExecutable: 126 } as const;

/** Of a command whose status is the payload's, whatever else failed: a status that no payload should use. */
const PAYLOAD_UNSTARTED = 125;

/**
 * The exit status for a failure: the same for the same mistake, whichever command it is made with, but for those whose
 * status is a payload's.
 *
 * @param payload does the command pass on the status of the command that it was given (`run`, `exec`)?
 */
export function exitStatus(error: unknown, payload: boolean): number {
  const code = error instanceof KleeError ? error.code : undefined;
  if (code === "COMMAND_NOT_FOUND") return commandFailure.notFound;
  if (code === "COMMAND_NOT_EXECUTABLE") return commandFailure.notExecutable;
  if (payload) return PAYLOAD_UNSTARTED;
  return isUsage(error) || code === "INVALID" ? ownFailure.usage : ownFailure.other;
}

/** Is it the command line that is wrong, seen before anything was asked of the domain? */
export function isUsage(error: unknown): boolean {
  return error instanceof UsageError || error instanceof CommanderError;
}
