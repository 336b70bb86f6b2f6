/**
 * The native parts of each target: what their headers say, what they take from whom, and, where this machine can do it,
 * that they load: linux-x64-gnu in install.test.ts, linux-arm64-gnu here by an emulator and a Node for it, linux-x64-musl
 * by musl's own loader. Of linux-arm64-musl and FreeBSD's, headers and symbols alone.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Elf, readElf } from "../support/elf.ts";
import { packageRoot, targetNames } from "../support/packages.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** Put there by the set-up. */
const NODE_ARM64 = join(packageRoot, ".setup/node-24.22.3-arm64/bin/node");
const MUSL_LOADER = "/lib/ld-musl-x86_64.so.1";
/** The oldest that Node 20 runs with. */
const GLIBC_MINOR = 28;
/** By Node's name of an architecture, ELF's number of the machine. */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
/** Of the system itself. */
const SYSTEM: Readonly<Record<string, RegExp>> = {
  gnu: /^(lib(c|m|dl|rt|pthread)\.so\.\d|ld-linux-.*\.so\.\d)$/,
  musl: /^libc\.so$/,
  freebsd: /^lib(c|m|thr|util|rt|jail|sys|gcc_s|dl)\.so\.\d+$/,
};
const ADDONS = ["klee.node", "node_sqlite3.node"];

const pathOf = (target: string, file: string): string => join(packageRoot, "native/prebuilt", target, file);
const bytesOf = (target: string, file: string): Buffer => readFileSync(pathOf(target, file));
const elfOf = (target: string, file: string): Elf => readElf(bytesOf(target, file));

for (const target of targetNames) {
  const [system = "", architecture = "", library = system] = target.split("-");

  test(`${target}: addons are Node-API's, of this processor, and need the system's own libraries alone`, () => {
    for (const file of ADDONS) {
      const { machine, needed, wanted, exported } = elfOf(target, file);
      assert.equal(machine, MACHINES[architecture], file);
      assert.ok(needed.length > 0, file);
      for (const name of needed) assert.match(name, SYSTEM[library] as RegExp, file);
      assert.ok(exported.includes("napi_register_module_v1"), file);
      assert.ok(wanted.includes("napi_create_function") || wanted.includes("napi_define_class"), wanted.join());
      // Of C++ each has its own: others may be of another release.
      assert.deepEqual(
        wanted.filter((name) => name.startsWith("_Z")),
        [],
        file,
      );
    }
  });

  if (library === "gnu")
    test(`${target}: addons ask for no later a glibc than Node does`, () => {
      for (const file of ADDONS) {
        const versions =
          bytesOf(target, file)
            .toString("latin1")
            .match(/GLIBC_2\.\d+/g) ?? assert.fail(file);
        for (const version of versions) assert.ok(Number(version.split(".")[1]) <= GLIBC_MINOR, `${file}: ${version}`);
      }
    });

  if (library === "musl")
    test(`${target}: addons take no more than musl and Node have`, () => {
      const musl = new Set(readElf(readFileSync(MUSL_LOADER)).exported);
      for (const file of ADDONS)
        assert.deepEqual(
          elfOf(target, file).wanted.filter((name) => !musl.has(name) && !/^(napi|uv)_/.test(name)),
          [],
          file,
        );
    });

  test(`${target}: the supervisor needs ${system === "linux" ? "nothing" : "FreeBSD's C library and threads"}`, () => {
    const { machine, interpreter, notes, needed, wanted } = elfOf(target, "klee-supervisor");
    assert.equal(machine, MACHINES[architecture]);
    if (system === "linux") {
      assert.deepEqual([interpreter, needed], [undefined, []]);
      return;
    }
    assert.equal(interpreter, "/libexec/ld-elf.so.1");
    assert.ok(notes.includes("FreeBSD"), notes.join());
    assert.ok(needed.includes("libc.so.7"), needed.join());
    for (const name of needed) assert.match(name, SYSTEM.freebsd as RegExp);
    for (const symbol of ["fork", "ppoll", "posix_openpt", "dlsym"]) assert.ok(wanted.includes(symbol), symbol);
  });
}

/** qemu-user; the libraries of arm64 are those of Debian's cross compilers. */
function emulated(program: string, ...args: string[]) {
  return spawnSync("qemu-aarch64", ["-L", "/usr/aarch64-linux-gnu", program, ...args], { encoding: "utf8" });
}

test("linux-arm64-gnu: Node for arm64 loads the addons, and SQLite works", () => {
  using directory = temporaryDirectory();
  const script = join(directory.path, "load.cjs");
  writeFileSync(
    script,
    `const [kleePath, sqlitePath] = process.argv.slice(2);
     const load = (path) => { const module = { exports: {} }; process.dlopen(module, path); return module.exports; };
     console.log(process.arch, typeof load(kleePath).startSupervisor);
     const { Database } = load(sqlitePath);
     Object.assign(Database.prototype, require("node:events").prototype);
     const database = new Database(":memory:", 6, () =>
       database.exec("CREATE TABLE one (a INTEGER CHECK (a = 6 * 7)); INSERT INTO one VALUES (42);", (error) =>
         database.exec("INSERT INTO one VALUES (41);", (refused) => console.log(error, refused.message))));`,
  );
  const paths = ADDONS.map((file) => pathOf("linux-arm64-gnu", file));
  const { status, stdout, stderr } = emulated(NODE_ARM64, script, ...paths);
  assert.deepEqual(
    [status, stdout],
    [0, "arm64 function\nnull SQLITE_CONSTRAINT: CHECK constraint failed: a = 6 * 7\n"],
    stderr,
  );
});

for (const target of ["linux-arm64-gnu", "linux-arm64-musl"])
  test(`${target}: the supervisor starts`, () => {
    const { status, stderr } = emulated(pathOf(target, "klee-supervisor"));
    assert.deepEqual([status, stderr.split("\n")[0]?.slice(0, 22)], [2, "usage: klee-supervisor"]);
  });

test("linux-x64-musl: the supervisor starts, and musl's loader finds all but what is Node's", () => {
  assert.equal(spawnSync(pathOf("linux-x64-musl", "klee-supervisor")).status, 2);
  for (const file of ADDONS) {
    const { stdout, stderr } = spawnSync(MUSL_LOADER, ["--list", pathOf("linux-x64-musl", file)], { encoding: "utf8" });
    const missing = `${stdout}${stderr}`.split("\n").filter((line) => /^Error/.test(line));
    assert.ok(missing.length > 0);
    for (const line of missing) assert.match(line, /: (napi|uv)_\w+: symbol not found$/);
  }
});
