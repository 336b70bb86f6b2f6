import { KleeError } from "../errors.ts";

/** Longest name that a message shows whole. */
const SHOWN_CHARACTERS = 160;

/** Why an image's source is refused: one line that names the entry, without the source's own name. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/**
 * The error of a failed `klee image create`: a KleeError passes as it is.
 * @param source the archive or the directory as the user named it.
 */
export function imageFailure(source: string, error: unknown): KleeError {
  if (error instanceof KleeError) return error;
  return new KleeError("HOST", `image creation failed: ${source}: ${reason(error)}`, { cause: error });
}

/** Runs file operations for one entry of the source; a failure of theirs names the entry. */
export function naming<Result>(entry: string, operations: () => Result): Result {
  try {
    return operations();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(`${entry}: ${reason(error)}`, { cause: error });
  }
}

/** `write: ENOSPC (no space left on device)`: Node's own text repeats paths of the store that mean nothing to the user. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error.message;
  const text = /^[A-Z0-9]+: ([^,]*)/.exec(error.message)?.[1];
  return `${syscall}: ${code}${text === undefined ? "" : ` (${text})`}`;
}

/**
 * A file name in quotes, fit for one line on a terminal: control characters and those that turn the direction of
 * writing are escaped.
 * @param bytes the name, one character for each byte.
 */
export function quoted(bytes: string): string {
  const name = Buffer.from(bytes, "latin1").toString("utf8");
  const shown = name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}...` : name;
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
