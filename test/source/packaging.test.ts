/** The recipes of packages agree with what there is. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const manifest = JSON.parse(read("package.json"));
const port = "packaging/freebsd/sysutils/klee";

test("the packages have the version and the Node of package.json", () => {
  assert.match(read(`${port}/Makefile`), new RegExp(`^DISTVERSION=\\t${manifest.version}$`, "m"));
  assert.match(read("packaging/debian/changelog"), new RegExp(`^klee \\(${manifest.version}-\\d+\\) `));
  const [, node] = />=([\d.]+)/.exec(manifest.engines.node) ?? [];
  for (const line of read("packaging/debian/control").match(/nodejs \(.*?\)/g) ?? [])
    assert.equal(line, `nodejs (>= ${node})`);
});

test("the port lists what it installs outside of its own directory", () => {
  const listed = read(`${port}/pkg-plist`).trim().split("\n");
  const pages = manifest.man.map((path: string) => `share/man/man8/${basename(path)}.gz`);
  assert.deepEqual(listed, ["etc/rc.d/klee", "sbin/klee", ...pages].sort());
  for (const line of read(`${port}/pkg-descr`).split("\n")) assert.ok(line.length < 80, line);
  const [, comment = ""] = /^COMMENT=\t(.*)$/m.exec(read(`${port}/Makefile`)) ?? [];
  assert.ok(comment.length > 0 && comment.length <= 70 && !comment.endsWith("."));
});

test("what the recipes take from the sources is there", () => {
  const [, modules = ""] = /^MODULES=\t(.*)$/m.exec(read(`${port}/Makefile`)) ?? [];
  for (const module of modules.split(" ")) assert.ok(existsSync(join(root, "node_modules", module)), module);
  for (const [path = ""] of read("packaging/debian/klee.install").matchAll(/^[^\s*]+(?=[\s*])/gm))
    assert.ok(existsSync(join(root, path.replace(/[^/]*$/, ""))), path);
  for (const path of ["etc/rc.d/klee", "etc/systemd/klee.service"]) assert.match(read(path), /\/usr\/local\/bin\/klee/);
});
