import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { removeTree } from "../../src/kleene/image/removal.ts";
import { needs } from "../support/gate.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("a tree is removed with all that is in it", () => {
  using directory = temporaryDirectory();
  const tree = `${directory.path}/tree`;
  mkdirSync(`${tree}/a/b/c`, { recursive: true });
  writeFileSync(`${tree}/a/b/f`, "x");
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0xff, 0x0a])]), "no UTF-8");
  removeTree(tree);
  assert.deepEqual(readdirSync(directory.path), []);
});

test("what is gone already is no error", () => {
  using directory = temporaryDirectory();
  assert.doesNotThrow(() => removeTree(`${directory.path}/nothing`));
  assert.deepEqual(readdirSync(directory.path), []);
});

test("symbolic links are removed, what they point to stays", () => {
  using directory = temporaryDirectory();
  mkdirSync(`${directory.path}/kept`);
  writeFileSync(`${directory.path}/kept/f`, "x");
  const tree = `${directory.path}/tree`;
  mkdirSync(tree);
  symlinkSync("../kept", `${tree}/directory`);
  symlinkSync("../kept/f", `${tree}/file`);
  symlinkSync("nothing", `${tree}/dangling`);
  removeTree(tree);
  assert.deepEqual(readdirSync(directory.path), ["kept"]);
  assert.equal(readFileSync(`${directory.path}/kept/f`, "utf8"), "x");
});

test("a symbolic link in the place of the tree is refused", () => {
  using directory = temporaryDirectory();
  mkdirSync(`${directory.path}/kept`);
  symlinkSync("kept", `${directory.path}/tree`);
  assert.throws(() => removeTree(`${directory.path}/tree`), /is not a directory/);
  assert.deepEqual(readdirSync(directory.path).sort(), ["kept", "tree"]);
});

test("a tree nested deeper than any path reaches is removed", () => {
  using directory = temporaryDirectory();
  const tree = `${directory.path}/tree`;
  mkdirSync(tree);
  // mkdir(1) cannot make it by one path either: a shell walks down.
  const script = `cd "$1" && i=0; while [ $i -lt 60 ]; do mkdir ${"n".repeat(200)} && cd ${"n".repeat(200)} || exit 1; : > f; i=$((i+1)); done`;
  execFileSync("bash", ["-c", script, "bash", tree]);
  mkdirSync(`${tree}/.moved-0`);
  removeTree(tree);
  assert.ok(!existsSync(tree));
});

test("a file system mounted in the tree is an error, and stays", needs("root"), () => {
  using directory = temporaryDirectory();
  const tree = `${directory.path}/tree`;
  mkdirSync(`${tree}/a/mounted`, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "klee-test", `${tree}/a/mounted`]);
  try {
    const inside = mkdtempSync(`${tree}/a/mounted/kept-`);
    assert.throws(() => removeTree(tree), {
      message: `"${tree}/a/mounted" belongs to another file system; unmount it first`,
    });
    assert.ok(existsSync(inside));
  } finally {
    execFileSync("umount", [`${tree}/a/mounted`]);
  }
  removeTree(tree);
  assert.ok(!existsSync(tree));
});
