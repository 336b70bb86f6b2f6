import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { LinuxStorage } from "../../src/kleene/host/linux/storage.ts";
import { needs } from "../support/gate.ts";
import { listing, temporaryDirectory } from "../support/temporary.ts";

const storage = new LinuxStorage();

function sampleTree(root: string): void {
  mkdirSync(`${root}/etc/deep`, { recursive: true });
  mkdirSync(`${root}/tmp`);
  writeFileSync(`${root}/etc/file`, "content\n");
  linkSync(`${root}/etc/file`, `${root}/tmp/hard`);
  writeFileSync(`${root}/etc/large`, Buffer.alloc(3_000_001, "klee"));
  writeFileSync(`${root}/etc/suid`, "#!");
  chownSync(`${root}/etc/suid`, 12, 34);
  chmodSync(`${root}/etc/suid`, 0o6755);
  writeFileSync(`${root}/etc/ä\n`, "name");
  symlinkSync("../../../../etc/passwd", `${root}/etc/link`);
  symlinkSync("/nothing", `${root}/etc/absolute`);
  lutimesSync(`${root}/etc/absolute`, 1_100_000_000, 1_100_000_000);
  chownSync(`${root}/etc/deep`, 4_000_000, 4_000_001);
  chmodSync(`${root}/etc/deep`, 0o2550);
  chmodSync(`${root}/tmp`, 0o1777);
  for (const [index, name] of ["etc/file", "etc/deep", "etc", "tmp", "."].entries())
    utimesSync(`${root}/${name}`, 1_000_000_000 + index, 1_000_000_000 + index);
  chmodSync(root, 0o751);
}

test("a directory is copied as it is, symbolic links included", needs("root", "host"), async () => {
  using directory = temporaryDirectory();
  const source = `${directory.path}/in`;
  mkdirSync(source);
  sampleTree(source);
  const before = listing(source);
  const dataset = await storage.createImage(`${directory.path}/R`, "d1", { method: "dir", source });
  assert.equal(dataset, `${directory.path}/R/images/d1/root`);
  assert.deepEqual(listing(dataset), before);
  assert.deepEqual(listing(source), before);
});

test("a name whose bytes are no UTF-8 is kept byte by byte", needs("root"), async () => {
  using directory = temporaryDirectory();
  const source = `${directory.path}/in`;
  mkdirSync(source);
  const name = Buffer.from([0x2f, 0x63, 0xe9, 0xff]);
  writeFileSync(Buffer.concat([Buffer.from(source), name]), "x");
  const dataset = await storage.createImage(`${directory.path}/R`, "d1", { method: "dir", source });
  assert.equal(readFileSync(Buffer.concat([Buffer.from(dataset), name]), "utf8"), "x");
});

test("the directory itself may be named through a symbolic link", needs("root"), async () => {
  using directory = temporaryDirectory();
  mkdirSync(`${directory.path}/in`);
  writeFileSync(`${directory.path}/in/f`, "x");
  symlinkSync("in", `${directory.path}/link`);
  const source = `${directory.path}/link`;
  const dataset = await storage.createImage(`${directory.path}/R`, "d1", { method: "dir", source });
  assert.deepEqual(readdirSync(dataset), ["f"]);
});

/** What is wrong, how to make it, and klee's words after the directory's name. */
const refused: readonly (readonly [what: string, make: (source: string) => void, reason: string])[] = [
  ["no directory", () => undefined, "realpath: ENOENT (no such file or directory)"],
  ["a file", (source) => writeFileSync(source, "x"), "not a directory"],
  ["a path through a file", (source) => symlinkSync("/etc/passwd/x", source), "realpath: ENOTDIR (not a directory)"],
];

for (const [what, make, reason] of refused) {
  test(`refused whole: ${what}`, needs("root"), async () => {
    using directory = temporaryDirectory();
    const source = `${directory.path}/in`;
    make(source);
    await assert.rejects(storage.createImage(`${directory.path}/R`, "d1", { method: "dir", source }), {
      name: "KleeError",
      code: "HOST",
      message: `image creation failed: ${source}: ${reason}`,
    });
    assert.deepEqual(readdirSync(`${directory.path}/R/images`), []);
  });
}

test("a directory with the store in it is refused, not copied for ever", needs("root"), async () => {
  using directory = temporaryDirectory();
  const source = directory.path;
  await assert.rejects(storage.createImage(`${source}/var/R`, "d1", { method: "dir", source }), {
    message: `image creation failed: ${source}: holds klee's own store, which cannot be copied into itself`,
  });
  assert.deepEqual(readdirSync(`${source}/var/R/images`), []);
});
