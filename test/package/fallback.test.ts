/** Where no package is for the system: what native/install.mjs says, and what it compiles. */
import assert from "node:assert/strict";
import { readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { needs } from "../support/gate.ts";
import { type Ended, ended, npmProgram, Project, packageRoot, programs, release } from "../support/packages.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const temporary = temporaryDirectory();
after(() => temporary[Symbol.dispose]());
const packed = join(temporary.path, "packed");
const project = new Project(temporary.path, packed);
const modules = join(project.directory, "node_modules");
const alone = programs(join(temporary.path, "alone"), { node: process.execPath });

function run(path: string, ...argv: readonly [string, ...string[]]): Promise<Ended> {
  const { PATH, ...others } = process.env;
  const [command, ...args] = argv;
  return ended(command, args, {
    cwd: project.directory,
    // Compilers look for their own files at home.
    env: { ...others, PATH: path, KLEE_ROOT: join(temporary.path, "store") },
  });
}

before(async () => {
  release(packed);
  project.writeManifest("npm");
  const cache = join(packageRoot, ".setup/installers/npm");
  const installed = await run(process.env.PATH ?? "", process.execPath, npmProgram, "install", "--cache", cache);
  assert.equal(installed.status, 0, installed.output);
  for (const name of readdirSync(modules))
    if (/^klee-linux-/.test(name)) rmSync(join(modules, name), { recursive: true });
});

test("without a compiler, the installation says what it needs and what is missing", async () => {
  const { status, output } = await run(alone, process.execPath, "node_modules/klee/native/install.mjs");
  assert.equal(status, 1, output);
  assert.equal(
    output,
    `klee: no native parts for ${process.platform}-${process.arch} are installed: compiling them, which takes some minutes and needs cargo, cc, c++, make, python3\n` +
      "klee: missing: cargo, cc, c++, make, python3\n",
  );
});

test("with neither, klee says what to do", needs("root"), async () => {
  const { status, output } = await run(alone, process.execPath, "node_modules/klee/dist/klee.cjs", "lsc");
  assert.equal(status, 1, output);
  assert.match(output, /^klee: [^\n]*`npm rebuild klee`[^\n]*\n$/);
});

test(
  "with compilers, the installation compiles what is missing, and klee runs by it",
  needs("root", "cgroup2"),
  async () => {
    // What is the same for every build is not compiled again: crates, and SQLite, which takes its own installation a minute.
    symlinkSync(join(packageRoot, "native/target"), join(modules, "klee/native/target"));
    symlinkSync(join(packageRoot, "node_modules/sqlite3"), join(modules, "sqlite3"));
    const { status, output } = await run(
      process.env.PATH ?? "",
      process.execPath,
      "node_modules/klee/native/install.mjs",
    );
    assert.equal(status, 0, output);
    const made = readdirSync(join(modules, "klee/native"));
    for (const file of ["klee.node", "klee-supervisor", "node_sqlite3.node"])
      assert.ok(made.includes(file), made.join());
    assert.ok(!made.includes("target"), made.join());
    const listed = await run(alone, process.execPath, "node_modules/klee/dist/klee.cjs", "lsc", "-q");
    assert.deepEqual([listed.status, listed.output], [0, ""]);
  },
);
