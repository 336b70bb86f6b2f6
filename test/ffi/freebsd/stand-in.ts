import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { type Library, openLibrary } from "../../../src/ffi/library.ts";

/** Compiles a stand-in for FreeBSD's libraries and has this process's bindings use it, by KLEE_LIBC. */
export function useStandIn(source: string): Library {
  const directory = mkdtempSync(join(tmpdir(), "klee-stand-in-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const library = join(directory, "stand-in.so");
  const file = fileURLToPath(new URL(source, import.meta.url));
  execFileSync("cc", ["-shared", "-fPIC", "-fno-builtin", "-Wall", "-Werror", "-o", library, file]);
  process.env.KLEE_LIBC = library;
  return openLibrary("stand-in", [library]);
}
