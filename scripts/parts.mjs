// Which modules are loaded together. esbuild makes a module of each file that is imported when it is needed, one of each
// late group, and one of each set of files that several of those share: a part is one of the former with all that nobody
// needs before it.
import { basename } from "node:path";

/** A late module is loaded when something of it is first used, though it is imported at once. */
const isLate = (name) => name.includes("~");

/**
 * @param metafile esbuild's, of a build with splitting.
 * @param first the module that starts the program.
 * @returns by name of a part, which is that of its first module, the names of its modules.
 */
export function partsOf({ outputs }, first) {
  const imports = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output.imports]));
  /** Those of a module's imports that are the program's own. */
  const imported = (name, isLater) =>
    imports
      .get(name)
      .filter(({ path, external }) => !external || isLate(path))
      .filter(({ path, kind }) => isLater === (kind === "dynamic-import" || isLate(path)))
      .map(({ path }) => basename(path));
  const withImports = (name) => new Set([name, ...imported(name, false).flatMap((next) => [...withImports(next)])]);
  const entries = new Set([first, ...[...imports.keys()].flatMap((name) => imported(name, true))]);
  const together = new Map([...entries].map((entry) => [entry, withImports(entry)]));

  /** The entries that have been loaded whenever this one is, in order, itself the last. */
  const chain = (entry) => {
    if (entry === first) return [first];
    const importers = [...entries].filter(
      (other) => other !== entry && [...together.get(other)].some((name) => imported(name, true).includes(entry)),
    );
    return [...common(importers.map(chain)), entry];
  };
  const parts = new Map([...entries].map((entry) => [entry, []]));
  for (const name of imports.keys()) {
    const users = [...entries].filter((entry) => together.get(entry).has(name));
    parts.get(common(users.map(chain)).at(-1)).push(name);
  }
  return parts;
}

/** What all of the lists begin with. */
function common([list, ...others]) {
  const end = list.findIndex((item, index) => others.some((other) => other[index] !== item));
  return end < 0 ? list : list.slice(0, end);
}
