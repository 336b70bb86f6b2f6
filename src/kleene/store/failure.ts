import { KleeError, messageOf } from "../errors.ts";

/** The code of an error of SQLite or Node; empty when it has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

export function busyFailure(path: string, who: string, waitedMs: number, cause: unknown): KleeError {
  const text = `store ${path}: ${who} has had its files for ${waitedMs / 1000} s; 'fuser ${path}' names who has them open`;
  return new KleeError("CONFLICT", text, { cause });
}

/** What klee says of a failure of the database at this path. */
export function storeFailure(path: string, error: unknown): KleeError {
  const text = messageOf(error);
  switch (codeOf(error)) {
    case "SQLITE_FULL":
    case "SQLITE_IOERR":
    case "SQLITE_CANTOPEN":
      return new KleeError("HOST", `store ${path}: ${text}; is there space left on its file system?`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "SQLITE_READONLY":
      return new KleeError("PERMISSION", `cannot write the store ${path}: ${text}; run klee as root`, { cause: error });
    case "SQLITE_CORRUPT":
    case "SQLITE_NOTADB":
      return new KleeError("HOST", `the store ${path} is damaged: ${text}`, { cause: error });
    case "SQLITE_CONSTRAINT":
      return new StoreConflict(path, text, error);
    default:
      return new KleeError("HOST", `store ${path}: ${text}`, { cause: error });
  }
}

/** A uniqueness rule of the schema refused a row: another command was faster. */
export class StoreConflict extends KleeError {
  /** Does the refused rule involve this column, `table.column`? */
  readonly #text: string;

  constructor(path: string, text: string, cause: unknown) {
    super("CONFLICT", `store ${path}: ${text}`, { cause });
    this.#text = text;
  }

  concerns(column: string): boolean {
    return this.#text.includes(column);
  }
}
