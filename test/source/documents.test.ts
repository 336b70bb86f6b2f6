/** What the documents name exists: a path that was moved is found here, and not by a reader. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
].filter((path) => path.endsWith(".md"));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Directories of the repository that a path in a document may begin with. What is built may not be there yet. */
const PATH = /(?<![\w./-])(?:src|test|scripts|docs|bench|etc|packaging|native\/(?:sim\/)?src)\/[\w./-]*[\w/]/g;

test("paths of the repository that the documents name exist", () => {
  for (const document of documents) {
    const missing = [...read(document).matchAll(PATH)]
      .map(([path]) => path)
      .filter((path) => !existsSync(join(root, path)));
    assert.deepEqual(missing, [], document);
  }
  assert.ok((read("docs/architecture.md").match(PATH) ?? []).length > 30);
  assert.ok((read("CONTRIBUTING.md").match(PATH) ?? []).length > 15);
});

test("links of the documents lead somewhere", () => {
  for (const document of documents) {
    const targets = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)/g)].map(
      ([, target]) => target ?? "",
    );
    const missing = targets.filter((target) => !existsSync(join(root, dirname(document), target)));
    assert.deepEqual(missing, [], document);
  }
});

test("names of the code that docs/architecture.md tells of are where it says", () => {
  for (const [name, path] of [
    ["withUndo", "src/kleene/context.ts"],
    ["encodeAlias", "src/ffi/freebsd/ifaddr.ts"],
    ["addAlias", "src/ffi/freebsd/ifaddr.ts"],
    ["takeDown", "src/kleene/container/takedown.ts"],
  ] as const) {
    assert.ok(read("docs/architecture.md").includes(`\`${name}\``), name);
    assert.match(read(path), new RegExp(`export (async )?function ${name}\\b`), name);
  }
  assert.match(read("src/kleene/host/freebsd/jails.ts"), /"starting-"/);
});

test("scripts that CONTRIBUTING.md runs are in package.json", () => {
  const { scripts } = JSON.parse(read("package.json"));
  for (const [, name = ""] of read("CONTRIBUTING.md").matchAll(/npm (?:run )?([\w:]+)/g))
    assert.ok(name in scripts, name);
});

test("two pages at most", () => {
  for (const document of ["CONTRIBUTING.md", "docs/architecture.md"])
    assert.ok(read(document).split("\n").length <= 110);
});
