/** Imports go one way: no file needs, by way of others, one that needs it. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

type Graph = ReadonlyMap<string, readonly string[]>;

/** The files of each circle that there is. */
function circlesOf(graph: Graph): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return circles;
}

function graphOf(directory: string, ending: string, importsOf: (file: string, text: string) => string[]): Graph {
  const files = readdirSync(join(root, directory), { recursive: true, encoding: "utf8" });
  const graph = new Map<string, readonly string[]>();
  for (const file of files.filter((name) => name.endsWith(ending))) {
    const path = join(root, directory, file);
    const imported = importsOf(path, readFileSync(path, "utf8"));
    graph.set(
      relative(root, path),
      imported.filter((target) => target !== path).map((target) => relative(root, target)),
    );
  }
  return graph;
}

/** Types too: a reader has to follow them as well. What is imported only when it is needed counts with the rest. */
function typescriptImports(file: string, text: string): string[] {
  const names = text.matchAll(/(?:\bfrom|\bimport\()\s*"(\.[^"]+)"/g);
  return [...names].map(([, name = ""]) => join(dirname(file), name));
}

/** The modules named in `use` and in paths; those of the tests below a module are its own. */
const rustImports =
  (directory: string) =>
  (file: string, text: string): string[] => {
    const own = join(root, directory);
    const parent = dirname(file);
    const code = text.replace(/\/\/.*$/gm, "").replace(/#\[cfg\(test\)\][\s\S]*$/, "");
    const found = (directory: string, name: string): string[] =>
      [join(directory, `${name}.rs`), join(directory, name, "mod.rs")].filter(existsSync).slice(0, 1);
    const flat = [...code.matchAll(/\b(crate|super)::(\w+)(?:::(\w+))?/g)].flatMap(
      ([, from, first = "", second = ""]) => {
        const directory = from === "crate" ? own : parent;
        const inner = found(join(directory, first), second);
        return inner.length > 0 ? inner : found(directory, first);
      },
    );
    const lists = [...code.matchAll(/\buse (crate|super)::\{([^;]*)\};/g)].flatMap(([, from, names = ""]) =>
      [...names.matchAll(/\b([a-z]\w*)\b/g)].flatMap(([, name = ""]) => found(from === "crate" ? own : parent, name)),
    );
    return [...flat, ...lists];
  };

test("no circle among the files of src", () => {
  const graph = graphOf("src", ".ts", typescriptImports);
  assert.ok(graph.size > 200, `${graph.size} files`);
  assert.ok((graph.get("src/cli/main.ts") ?? []).includes("src/cli/run.ts"));
  assert.deepEqual(circlesOf(graph), []);
});

test("no circle among the modules of native/src", () => {
  const graph = graphOf("native/src", ".rs", rustImports("native/src"));
  assert.ok(graph.size > 40, `${graph.size} modules`);
  assert.ok((graph.get("native/src/addon/spawn.rs") ?? []).includes("native/src/addon/executable.rs"));
  assert.ok((graph.get("native/src/linux/start.rs") ?? []).includes("native/src/common/sys.rs"));
  assert.deepEqual(circlesOf(graph), []);
});

test("no circle among the modules of the simulator", () => {
  const graph = graphOf("native/sim/src", ".rs", rustImports("native/sim/src"));
  assert.ok(graph.size > 30, `${graph.size} modules`);
  assert.ok((graph.get("native/sim/src/jail.rs") ?? []).includes("native/sim/src/state.rs"));
  assert.deepEqual(circlesOf(graph), []);
});

test("a circle is found", () => {
  const graph = new Map([
    ["a", ["b", "c"]],
    ["b", ["c"]],
    ["c", ["d"]],
    ["d", ["b"]],
  ]);
  assert.deepEqual(circlesOf(graph), [["b", "c", "d", "b"]]);
});
