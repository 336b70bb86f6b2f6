/** The picture on README.md's first screen. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs } from "../support/gate.ts";
import { terminalImage } from "../walkthrough/terminal-image.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const path = join(root, "docs/recording.svg");

test("the recording is XML, whose lines are those that test/walkthrough/recording.ts types", needs("xmllint"), () => {
  const { status, stderr } = spawnSync("xmllint", ["--noout", "--nonet", path], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  const [, list = ""] =
    /const typed[^=]*= (\[[\s\S]*?\n\]);/.exec(readFileSync(join(root, "test/walkthrough/recording.ts"), "utf8")) ?? [];
  const words = list.match(/"[^"]*"/g) ?? [];
  const image = readFileSync(path, "utf8").replaceAll("&quot;", '"').replaceAll("&gt;", ">");
  assert.ok(words.length > 20);
  for (const word of words) assert.ok(image.includes(word.slice(1, -1)), word);
  assert.ok(readFileSync(join(root, "README.md"), "utf8").includes("docs/recording.svg"));
});

test("what a terminal showed is text of the image, in order, each line after the last", () => {
  const image = terminalImage([
    { command: 'klee run base sh -c "a <b>"', output: "one & two\n\nthree\n", milliseconds: 100 },
    { command: "klee lsc", output: "", milliseconds: 20 },
  ]);
  const texts = [...image.matchAll(/<text[^>]*>(.*)<\/text>/g)].map(([, text = ""]) => text.replaceAll(/<[^>]*>/g, ""));
  assert.deepEqual(texts, [
    "# klee run base sh -c &quot;a &lt;b&gt;&quot;",
    "one &amp; two",
    "",
    "three",
    "# klee lsc",
  ]);
  const delays = [...image.matchAll(/animation-delay: (\d+)ms/g)].map(([, delay]) => Number(delay));
  assert.deepEqual(
    delays,
    [...delays].sort((a, b) => a - b),
  );
});
