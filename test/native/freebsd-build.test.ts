import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const ELF_CLASS_64 = 2;
const PT_INTERP = 3;
const PT_NOTE = 4;
/** By Node's name of an architecture, ELF's number of the machine. */
const MACHINES = { x64: 62, arm64: 183 };

/** Strings that end with a NUL, as an ELF file holds the names of libraries and of its interpreter. */
function holds(bytes: Buffer, text: string): boolean {
  return bytes.includes(Buffer.from(`${text}\0`));
}

/** What a loader finds in a 64-bit ELF file by its program headers. */
function segments(bytes: Buffer, type: number): Buffer[] {
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => start + index * size)
    .filter((header) => bytes.readUInt32LE(header) === type)
    .map((header) => {
      const [from, length] = [bytes.readBigUInt64LE(header + 8), bytes.readBigUInt64LE(header + 32)].map(Number);
      return bytes.subarray(from, (from ?? 0) + (length ?? 0));
    });
}

for (const [architecture, machine] of Object.entries(MACHINES))
  test(`${architecture}: addon and supervisor are linked for FreeBSD's C library and threads, and nothing else`, () => {
    const read = (name: string) => readFileSync(`${root}/native/freebsd-${architecture}/${name}`);
    for (const name of ["klee.node", "klee-supervisor"]) {
      const bytes = read(name);
      assert.equal(bytes.toString("latin1", 1, 4), "ELF", name);
      assert.equal(bytes[4], ELF_CLASS_64, name);
      assert.equal(bytes.readUInt16LE(18), machine, name);
      assert(holds(bytes, "libc.so.7"), name);
      for (const foreign of ["libc.so.6", "libkvm.so.7", "libstdc++.so.6"]) assert(!holds(bytes, foreign), foreign);
    }
    const supervisor = read("klee-supervisor");
    assert.deepEqual(
      segments(supervisor, PT_INTERP).map((bytes) => bytes.toString("latin1")),
      ["/libexec/ld-elf.so.1\0"],
    );
    assert.deepEqual(
      segments(supervisor, PT_NOTE).map((notes) => notes.toString("latin1", 12, 20)),
      ["FreeBSD\0"],
    );
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
    ...Object.keys(MACHINES).flatMap((architecture) =>
      ["klee.node", "klee-supervisor"].map((name) => `native/freebsd-${architecture}/${name}`),
    ),
    "dist/klee.cjs",
    "dist/src/ffi/freebsd/index.js",
    "dist/src/kleene/host/freebsd/host.js",
  ])
    assert(paths.has(path), path);
});
