import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { boundFunctions } from "../../../src/ffi/freebsd/index.ts";
import { RECORDED_CALLS, readReplies } from "./replies.ts";

const documentation = readFileSync(new URL("../../../docs/freebsd-abi.md", import.meta.url), "utf8");
const sources = new URL("../../../src/ffi/freebsd/", import.meta.url);

test("docs/freebsd-abi.md lists each C function that is bound, as it is bound", async () => {
  // Also those of a module that the index leaves out.
  for (const name of readdirSync(sources, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".ts")) await import(new URL(name, sources).href);
  }
  const documented = [...documentation.matchAll(/^\| `([^`]+)` \| (\w+) \| \S.* \|$/gm)]
    .map(([, prototype, library]) => `${library}: ${prototype}`)
    .filter((line) => line.includes("("));
  const bound = boundFunctions().map(({ prototype, library }) => `${library}: ${prototype}`);
  assert.deepEqual(documented.sort(), bound.sort());
});

test("the number of recorded calls that are used is the documented one", (t) => {
  const used = (["replies.jsonl", "replies-pf.jsonl", "replies-system.jsonl"] as const)
    .map((file) => readReplies(file).length)
    .reduce((sum, count) => sum + count, 0);
  assert.ok(documentation.includes(`${used} of the ${RECORDED_CALLS} recorded calls`));
  assert.ok(documentation.includes(`The other ${RECORDED_CALLS - used} are`));
  t.diagnostic(`${used} of ${RECORDED_CALLS} recorded calls are used`);
});
