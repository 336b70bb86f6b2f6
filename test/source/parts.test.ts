/** The bundled program: which of its modules are loaded together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf } from "../../scripts/parts.mjs";

const statically = (path: string) => ({ path: `dist/${path}`, kind: "import-statement" });
const later = (path: string) => ({ path: `dist/${path}`, kind: "dynamic-import" });
const builtin = { path: "node:fs", kind: "import-statement", external: true };

test("a module that several parts share is in the last part that is loaded before all of them", () => {
  const outputs = {
    "dist/main.js": { imports: [statically("everywhere.js"), later("domain.js"), builtin] },
    "dist/domain.js": { imports: [statically("everywhere.js"), later("one.js"), later("other.js")] },
    "dist/one.js": { imports: [statically("hosts.js"), later("archive.js")] },
    "dist/other.js": { imports: [statically("hosts.js"), later("archive.js")] },
    "dist/archive.js": { imports: [statically("files.js")] },
    "dist/hosts.js": { imports: [statically("everywhere.js")] },
    "dist/everywhere.js": { imports: [] },
    "dist/files.js": { imports: [] },
  };
  assert.deepEqual(Object.fromEntries(partsOf({ outputs }, "main.js")), {
    "main.js": ["main.js", "everywhere.js"],
    "domain.js": ["domain.js", "hosts.js"],
    "one.js": ["one.js"],
    "other.js": ["other.js"],
    "archive.js": ["archive.js", "files.js"],
  });
});
