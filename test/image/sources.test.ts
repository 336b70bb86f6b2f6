import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { LinuxStorage } from "../../src/kleene/host/linux/storage.ts";
import { needs } from "../support/gate.ts";
import { enterMountNamespace } from "../support/namespaces.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testSources } from "./source-cases.ts";

const storage = new LinuxStorage();
enterMountNamespace();
testSources(storage, true);

test(
  "what the kernel shows in /proc and /sys of a directory is not copied; another disk is",
  needs("root"),
  async () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    for (const name of ["proc", "sys", "data"]) mkdirSync(`${path}/in/${name}`, { recursive: true });
    execFileSync("mount", ["-t", "proc", "proc", `${path}/in/proc`]);
    execFileSync("mount", ["-t", "sysfs", "sysfs", `${path}/in/sys`]);
    execFileSync("mount", ["-t", "tmpfs", "klee-test", `${path}/in/data`]);
    try {
      writeFileSync(`${path}/in/data/f`, "x");
      const said: string[] = [];
      const request = { method: "dir", source: `${path}/in` } as const;
      const root = await storage.createImage(`${path}/R`, "a1", request, (line) => said.push(line));
      assert.deepEqual(readdirSync(`${root}/proc`), []);
      assert.deepEqual(readdirSync(`${root}/sys`), []);
      assert.deepEqual(readdirSync(`${root}/data`), ["f"]);
      assert.deepEqual(said, [`left out of the image: 2 directories of the kernel's files ("proc" and others)`]);
    } finally {
      for (const name of ["proc", "sys", "data"]) execFileSync("umount", [`${path}/in/${name}`]);
    }
  },
);

test("the store is not copied into itself through another mount of it", needs("root"), async () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  mkdirSync(`${path}/in/store`, { recursive: true });
  mkdirSync(`${path}/R`);
  execFileSync("mount", ["--bind", `${path}/R`, `${path}/in/store`]);
  try {
    await assert.rejects(storage.createImage(`${path}/R`, "a1", { method: "dir", source: `${path}/in` }), {
      message: /holds klee's own store, which cannot be copied into itself$/,
    });
  } finally {
    execFileSync("umount", [`${path}/in/store`]);
  }
  assert.deepEqual(readdirSync(`${path}/R/images`), []);
});
