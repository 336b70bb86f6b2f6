import assert from "node:assert/strict";
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Finished } from "./machine.ts";
import { buildRoot } from "./rootfs.ts";

interface Trial {
  klee(args: readonly string[]): Finished;
  folder(name: string): string;
}

function ok(host: Trial, ...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** `image create --dns --localtime`, and without. @param resolver the host's resolv.conf. */
export function tryCopies(host: Trial, resolver: string): void {
  const root = host.folder("copied");
  buildRoot(root, ["cat", "sh"]);
  const outside = join(host.folder("outside"), "zone");
  writeFileSync(outside, "not ours");
  symlinkSync(outside, join(root, "etc/localtime"));
  writeFileSync(join(root, "etc/resolv.conf"), "nameserver 203.0.113.7\n");
  ok(host, "image", "create", "dir", root, "-t", "with");
  ok(host, "image", "create", "dir", root, "--no-dns", "--no-localtime", "-t", "without");
  const shown = (image: string, path: string): string => {
    const { stdout } = host.klee(["run", "--rm", "-l", "disabled", image, "cat", path]);
    return stdout;
  };
  const { dataset } = JSON.parse(ok(host, "isi", "with"));
  assert.deepEqual(readFileSync(join(dataset, "etc/localtime")), readFileSync("/etc/localtime"));
  assert.equal(readFileSync(outside, "utf8"), "not ours", "what the image had there was a link, and is not followed");
  assert.ok(lstatSync(join(JSON.parse(ok(host, "isi", "without")).dataset, "etc/localtime")).isSymbolicLink());
  assert.equal(shown("with", "/etc/resolv.conf"), resolver);
  assert.equal(shown("without", "/etc/resolv.conf"), "nameserver 203.0.113.7\n");
}
