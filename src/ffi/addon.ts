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
 * The paths at which a native file may be, the nearest first: of `$KLEE_NATIVE`; of a `native/` where it was compiled; of
 * the packages that hold what was compiled before, one for each target. They are looked for as Node looks for a package,
 * be this file a source, compiled or bundled.
 */
function candidates(file: string): string[] {
  const given = process.env.KLEE_NATIVE;
  const directories = given === undefined || given === "" ? [] : [given];
  for (let directory = here; ; directory = dirname(directory)) {
    const packages = join(directory, "node_modules");
    directories.push(
      join(directory, "native"),
      ...targets.map((target) => join(packages, `klee-${target}`)),
      join(packages, "klee/native"),
    );
    if (directory === dirname(directory)) break;
  }
  return directories.map((directory) => join(directory, file));
}

/** @throws {LibraryError} when there is none: what to do about it. */
function found(file: string): string[] {
  const all = candidates(file);
  const present = all.filter((path) => existsSync(path));
  if (present.length > 0) return present;
  throw new LibraryError(
    file,
    targets.map((target) => `klee-${target}`),
    [
      "no package of native parts is installed for this system: `npm install klee` brings it, `npm rebuild klee` compiles one",
    ],
  );
}

/** Absolute path of a program among klee's native parts. @throws {LibraryError} when it is nowhere. */
export function nativeProgram(file: string): string {
  return found(file)[0] as string;
}

/**
 * Loads an addon of klee's native parts. dlopen(3)
 *
 * @throws {LibraryError} when it is nowhere, or none that is there loads, with the loader's own words.
 */
export function loadAddon(file: string): unknown {
  const paths = found(file);
  const reasons: string[] = [];
  for (const path of paths) {
    const module: { exports: unknown } = { exports: {} };
    try {
      process.dlopen(module, path);
      return module.exports;
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new LibraryError(file, paths, reasons);
}
