import { readFileSync } from "node:fs";
import { packagePath } from "../kleene/package.ts";

/** The version in klee's own package.json. */
export function readVersion(): string {
  const manifest = JSON.parse(readFileSync(packagePath("package.json"), "utf8")) as { readonly version: string };
  return manifest.version;
}
