import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

/**
 * The `klee` command's first file: runs the program beside it with V8's compiled form of it, which the build made. V8
 * refuses what another version of Node compiled, and then compiles the program itself, as it does when there is none.
 */
const program = fileURLToPath(new URL("klee-program.cjs", import.meta.url));

function compiled(): Buffer | undefined {
  try {
    return readFileSync(`${program}.compiled`);
  } catch {
    return undefined;
  }
}

const cachedData = compiled();
// The build writes ASCII alone: one byte is one character.
const source = readFileSync(program, "latin1");
const script = new Script(source, { filename: program, ...(cachedData && { cachedData }) });
const run = script.runInThisContext() as (require: NodeJS.Require, importMetaUrl: string) => void;
run(createRequire(import.meta.url), import.meta.url);
