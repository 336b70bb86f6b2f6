import { KleeError } from "../errors.ts";

/**
 * Checks where a command is to start; empty: its user's home.
 * @throws {KleeError} INVALID.
 */
export function checkDirectory(directory: string): void {
  if (directory !== "" && (!directory.startsWith("/") || directory.includes("\0") || directory.length > 1023))
    throw new KleeError(
      "INVALID",
      `invalid working directory ${JSON.stringify(directory)}: give an absolute path of the container`,
    );
}
