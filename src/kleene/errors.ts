/**
 * What kind of failure it is; the CLI derives its exit status from it.
 * - INVALID: the request itself is malformed (usage; nothing was looked up or changed)
 * - NOT_FOUND, AMBIGUOUS: the name or id prefix names nothing, or several objects
 * - CONFLICT: taken, overlapping, in use, running or not running
 * - UNSUPPORTED: this host cannot do it
 * - PERMISSION: not root, or a capability is missing
 * - HOST: a kernel call or a file operation failed
 * - COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE: the container's command could not be started
 */
export type KleeErrorCode =
  | "INVALID"
  | "NOT_FOUND"
  | "AMBIGUOUS"
  | "CONFLICT"
  | "UNSUPPORTED"
  | "PERMISSION"
  | "HOST"
  | "COMMAND_NOT_FOUND"
  | "COMMAND_NOT_EXECUTABLE";

/** A request that klee refuses or could not carry out. `message` is one line, fit to print after `klee: `. */
export class KleeError extends Error {
  override readonly name = "KleeError";
  readonly code: KleeErrorCode;

  constructor(code: KleeErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The text of whatever was thrown, for a one-line message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Wraps a host failure: `cannot add 10.2.3.1 to kleene0: RTM_NEWADDR: EEXIST (File exists)`. A KleeError passes as it is. */
export function hostFailure(what: string, error: unknown): KleeError {
  if (error instanceof KleeError) return error;
  return new KleeError("HOST", `${what}: ${messageOf(error)}`, { cause: error });
}
