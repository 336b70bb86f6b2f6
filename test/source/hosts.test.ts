import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../src", import.meta.url));

/** Where a kernel's own things may be named. The two last ones choose between the kernels. */
const places = {
  linux: [/^ffi\/linux\//, /^kleene\/host\/linux\//, /^kleene\/host\/select\.ts$/, /^ffi\/native\.ts$/],
  freebsd: [/^ffi\/freebsd\//, /^kleene\/host\/freebsd\//, /^kleene\/host\/select\.ts$/, /^ffi\/native\.ts$/],
} as const;

/** What would work on one of them only; comments may speak of it. */
const assumptions = {
  linux: [
    /from "[^"]*\/linux\//,
    /import\("[^"]*\/linux\//,
    /["'`]\/(proc|sys)\//,
    /\bcgroup(?!s? of)/,
    /netlink|nftables|overlayfs/i,
  ],
  freebsd: [/from "[^"]*\/freebsd\//, /import\("[^"]*\/freebsd\//, /\bjail_(set|get)\b/, /["'`]\/dev\/pf/, /\bDIOC/],
} as const;

const sources = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");

for (const system of ["linux", "freebsd"] as const)
  test(`nothing outside of its host and its bindings assumes ${system}`, () => {
    const offences = sources
      .filter((path) => !places[system].some((place) => place.test(path)))
      .flatMap((path) => {
        const lines = withoutComments(readFileSync(join(root, path), "utf8")).split("\n");
        return lines
          .filter((line) => assumptions[system].some((one) => one.test(line)))
          .map((line) => `${path}: ${line.trim()}`);
      });
    assert.ok(sources.length > 100);
    assert.deepEqual(offences, []);
  });
