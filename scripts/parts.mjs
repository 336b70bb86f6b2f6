// Which modules are loaded together. esbuild makes a module of each file that is imported when it is needed, and one of
// each set of files that several of those share: a part is one of the former, or a group of late ones, with all that
// nobody needs before it.
import { basename } from "node:path";

/** Part of a late module: PART~MODULE.js. Undefined for any other. */
export const groupOf = (name) => /^(.+)~/.exec(name)?.[1] && `${/^(.+)~/.exec(name)[1]}.js`;

/**
 * @param metafile esbuild's, of a build with splitting.
 * @param first the module that starts the program.
 * @returns by name of a part, which is that of its first module or of its group, the names of its modules.
 */
export function partsOf({ outputs }, first) {
  const imports = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output.imports]));
  const imported = (name) =>
    imports.get(name).map(({ path, kind, external }) => {
      const target = basename(path);
      // What is external is Node's or another package's, but for the late modules.
      const isOwn = !external || groupOf(target) !== undefined;
      return { target, isOwn, isLater: kind === "dynamic-import" || external };
    });
  const now = (name) => imported(name).flatMap(({ target, isOwn, isLater }) => (isOwn && !isLater ? [target] : []));
  const later = (name) =>
    imported(name).flatMap(({ target, isOwn, isLater }) => (isOwn && isLater ? [groupOf(target) ?? target] : []));
  const withImports = (name) => [name, ...now(name).flatMap(withImports)];
  const entries = new Set([first, ...[...imports.keys()].flatMap(later)]);
  const together = new Map(
    [...entries].map((entry) => {
      const grouped = [...imports.keys()].filter((name) => groupOf(name) === entry);
      return [entry, new Set((grouped.length > 0 ? grouped : [entry]).flatMap(withImports))];
    }),
  );

  /** The entries that have been loaded whenever this one is, in order, itself the last. */
  const chain = (entry) => {
    if (entry === first) return [first];
    const importers = [...entries].filter(
      (other) => other !== entry && [...together.get(other)].some((name) => later(name).includes(entry)),
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
