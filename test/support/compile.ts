import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lazy } from "../../src/ffi/library.ts";
import { temporaryDirectory } from "./temporary.ts";

/**
 * A C program of a test, compiled when it is first asked for, in a directory that goes with this process.
 *
 * @param standard as cc(1) names it, `c11`.
 * @returns tells its path.
 */
export function compiled(source: URL, standard: string, ...options: readonly string[]): () => string {
  return lazy(() => {
    const directory = temporaryDirectory();
    process.once("exit", () => directory[Symbol.dispose]());
    const program = join(directory.path, "program");
    execFileSync("cc", [`-std=${standard}`, "-O1", "-Wall", ...options, "-o", program, fileURLToPath(source)]);
    return program;
  });
}
