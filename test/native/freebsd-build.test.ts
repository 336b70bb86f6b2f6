import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const ELF_CLASS_64 = 2;
const ELF_MACHINE_X86_64 = 62;

/** Strings that end with a NUL, as an ELF file holds the names of libraries and of its interpreter. */
function holds(bytes: Buffer, text: string): boolean {
  return bytes.includes(Buffer.from(`${text}\0`));
}

test("addon and supervisor are linked for FreeBSD: its C library and threads, and nothing else", () => {
  for (const name of ["klee.node", "klee-supervisor"]) {
    const bytes = readFileSync(`${root}/native/freebsd-x64/${name}`);
    assert.equal(bytes.toString("latin1", 1, 4), "ELF", name);
    assert.equal(bytes[4], ELF_CLASS_64, name);
    assert.equal(bytes.readUInt16LE(18), ELF_MACHINE_X86_64, name);
    assert(holds(bytes, "libc.so.7"), name);
    for (const foreign of ["libc.so.6", "libkvm.so.7", "libstdc++.so.6"]) assert(!holds(bytes, foreign), foreign);
  }
  const supervisor = readFileSync(`${root}/native/freebsd-x64/klee-supervisor`);
  assert(holds(supervisor, "/libexec/ld-elf.so.1"));
  for (const symbol of ["fork", "ppoll", "posix_openpt", "dlsym"]) assert(holds(supervisor, symbol), symbol);
});

test("the package holds what FreeBSD runs", () => {
  const listed = execFileSync("npm", ["pack", "--dry-run", "--ignore-scripts", "--json"], {
    cwd: root,
    encoding: "utf8",
  });
  const [pack] = JSON.parse(listed) as { readonly files: readonly { readonly path: string }[] }[];
  const paths = new Set(pack?.files.map(({ path }) => path));
  for (const path of [
    "native/freebsd-x64/klee.node",
    "native/freebsd-x64/klee-supervisor",
    "dist/klee.cjs",
    "dist/src/ffi/freebsd/index.js",
    "dist/src/kleene/host/freebsd/host.js",
  ])
    assert(paths.has(path), path);
});
