import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { FreebsdJails } from "../../../src/kleene/host/freebsd/jails.ts";
import { placeInside } from "../../../src/kleene/host/inside.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** A root with links in it: to other places of it, above it, and to nowhere. */
function sampleRoot(): Disposable & { readonly path: string } {
  const directory = temporaryDirectory();
  const { path } = directory;
  mkdirSync(`${path}/usr/sbin`, { recursive: true });
  mkdirSync(`${path}/etc`);
  writeFileSync(`${path}/etc/passwd`, "");
  symlinkSync("../usr/sbin/zone/Here", `${path}/etc/localtime`);
  symlinkSync("/usr/sbin", `${path}/absolute`);
  symlinkSync("../../../../../../../above", `${path}/up`);
  symlinkSync("/dev", `${path}/devices`);
  symlinkSync("b", `${path}/a`);
  symlinkSync("a", `${path}/b`);
  return directory;
}

/** All that is in a directory, through no link. */
function tree(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = `${path}/${entry.name}`;
    return entry.isDirectory() ? [inner, ...tree(inner)] : [inner];
  });
}

for (const [path, kind, place] of [
  ["/etc/localtime", "file", "/usr/sbin/zone/Here"],
  ["/absolute/x/y", "directory", "/usr/sbin/x/y"],
  ["/up/x", "file", "/above/x"],
  ["/etc/../absolute/.././new", "directory", "/usr/new"],
  ["/etc/passwd", "file", "/etc/passwd"],
] as const)
  test(`${path} as a ${kind} is ${place}, made below the root`, () => {
    using directory = sampleRoot();
    assert.equal(placeInside(directory.path, path, kind), directory.path + place);
    assert.equal(lstatSync(directory.path + place).isDirectory(), kind === "directory");
  });

for (const [path, kind, why] of [
  ["/etc/passwd", "directory", "/etc/passwd is no directory in the container; give another destination"],
  ["/etc", "file", "/etc is a directory in the container; give another destination"],
  ["/etc/passwd/x", "file", "/etc/passwd is no directory in the container; give another destination"],
  ["/a", "file", "too many symbolic links in the container"],
] as const)
  test(`${path} as a ${kind} is refused`, () => {
    using directory = sampleRoot();
    const before = tree(directory.path);
    assert.throws(() => placeInside(directory.path, path, kind), {
      code: "INVALID",
      message: `cannot mount on ${path}: ${why}`,
    });
    assert.deepEqual(tree(directory.path), before);
  });

test("each place is told before anything is made there", () => {
  using directory = sampleRoot();
  const told: string[] = [];
  placeInside(directory.path, "/devices/log", "file", (place) => told.push(place));
  assert.deepEqual(told, ["/dev", "/dev/log"]);
});

test("what devfs(5) would hide, or has no room for, is refused by name; without it, it is a place as any other", () => {
  const jails = new FreebsdJails(() => "/nowhere");
  const mounts = (destination: string) => [
    { container_id: "c", destination, source: "/tmp", read_only: false, type: "nullfs" as const },
  ];
  for (const destination of ["/dev", "/dev/shm", "/dev/log"])
    assert.throws(() => jails.checkMounts(mounts(destination), jails.parseParameters(["mount.devfs"], "h")), {
      code: "INVALID",
      message: `cannot mount on ${destination}: /dev is devfs there, in which nothing can be made; name another place, or give -J mount.devfs=false`,
    });
  jails.checkMounts(mounts("/dev/shm"), jails.parseParameters(["mount.devfs=false"], "h"));
  for (const destination of ["/proc", "/device", "/mnt/dev"])
    jails.checkMounts(mounts(destination), jails.parseParameters(["mount.devfs"], "h"));
});
