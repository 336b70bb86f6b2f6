import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { LibraryError } from "./library.ts";

/** A bundle in CommonJS has no `import.meta`, and a module has no `__filename`. */
const here = dirname(import.meta.filename ?? __filename);

/** Those that may serve this system, by the ends of their packages' names; of which C library Linux's is, dlopen tells. */
const targets =
  process.platform === "linux"
    ? ["gnu", "musl"].map((library) => `linux-${process.arch}-${library}`)
    : [`${process.platform}-${process.arch}`];

/**
 * Where native files may be, the nearest first: `$KLEE_NATIVE`; a `native/` where they were compiled; the packages that hold
 * what was compiled before, one for each target. They are looked for as Node looks for a package, be this file a source,
 * compiled or bundled.
 */
function* directories(): Generator<string> {
  const given = process.env.KLEE_NATIVE;
  if (given !== undefined && given !== "") yield given;
  for (let directory = here; ; directory = dirname(directory)) {
    const packages = join(directory, "node_modules");
    yield join(directory, "native");
    for (const target of targets) yield join(packages, `klee-${target}`);
    yield join(packages, "klee/native");
    if (directory === dirname(directory)) return;
  }
}

/** The paths at which a file is. Whoever is content with the first one has the kernel asked for no other. */
function* found(file: string): Generator<string> {
  for (const directory of directories()) {
    const path = join(directory, file);
    if (existsSync(path)) yield path;
  }
}

/** What to do about a file that is nowhere. */
function missing(file: string): LibraryError {
  return new LibraryError(
    file,
    targets.map((target) => `klee-${target}`),
    [
      "no package of native parts is installed for this system: `npm install klee` brings it, `npm rebuild klee` compiles one",
    ],
  );
}

/** Absolute path of a program among klee's native parts. @throws {LibraryError} when it is nowhere. */
export function nativeProgram(file: string): string {
  for (const path of found(file)) return path;
  throw missing(file);
}

/**
 * Loads an addon of klee's native parts. dlopen(3)
 *
 * @throws {LibraryError} when it is nowhere, or none that is there loads, with the loader's own words.
 */
export function loadAddon(file: string): unknown {
  const paths: string[] = [];
  const reasons: string[] = [];
  for (const path of found(file)) {
    const module: { exports: unknown } = { exports: {} };
    try {
      process.dlopen(module, path);
      return module.exports;
    } catch (error) {
      paths.push(path);
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw paths.length === 0 ? missing(file) : new LibraryError(file, paths, reasons);
}
