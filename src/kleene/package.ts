import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Absolute path of a file of this package, wherever the calling module was compiled or bundled to. */
export function packagePath(relative: string): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error("klee's package.json is missing");
    directory = parent;
  }
  return join(directory, relative);
}
