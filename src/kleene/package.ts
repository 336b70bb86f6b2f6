import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A bundle in CommonJS has no `import.meta`, and a module has no `__filename`. */
const here = dirname(import.meta.filename ?? __filename);

/** Absolute path of a file of klee's package, wherever the calling module was compiled or bundled to. */
export function packagePath(relative: string): string {
  for (let directory = here; ; directory = dirname(directory)) {
    // Installed beside a program that it is bundled into.
    for (const candidate of [directory, join(directory, "node_modules/klee")])
      if (isKlee(join(candidate, "package.json"))) return join(candidate, relative);
    if (directory === dirname(directory)) throw new Error(`the package klee is not installed where ${here} finds it`);
  }
}

function isKlee(manifest: string): boolean {
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "klee";
}
