import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Finished } from "./machine.ts";
import { buildRoot } from "./rootfs.ts";

/** A host to run klee on. */
export interface VolumeHost {
  readonly root: string;
  folder(name: string): string;
  klee(args: readonly string[]): Finished;
}

/** What volumes are, whoever keeps them. */
export function volumeCases(host: VolumeHost, label: string, gate: { readonly skip: string | false }): void {
  function ok(...args: string[]): string {
    const { status, stdout, stderr } = host.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
  function refused(words: RegExp, status: number, ...args: string[]): void {
    const found = host.klee(args);
    assert.equal(found.status, status, `klee ${args.join(" ")}: ${found.stderr}`);
    assert.match(found.stderr, words);
    assert.equal(found.stderr.trim().split("\n").length, 1, found.stderr);
  }
  const check = (name: string, act: () => void): void => void test(`${name}, ${label}`, gate, act);
  const directories = (): string[] => {
    const place = join(host.root, "volumes");
    return existsSync(place) ? readdirSync(place) : [];
  };
  const names = (): string[] => ok("lsv", "-q").split("\n").filter(Boolean);

  before(() => {
    if (gate.skip !== false) return;
    const root = host.folder("rootfs");
    buildRoot(root, ["sh"]);
    mkdirSync(join(root, "data/inner"), { recursive: true });
    writeFileSync(join(root, "data/first"), "of the image\n");
    writeFileSync(join(root, "data/inner/second"), "of the image too\n", { mode: 0o640 });
    symlinkSync("../../../../data", join(root, "linked"));
    ok("image", "create", "dir", root, "-t", "box");
  });

  check("made, listed, inspected and removed", () => {
    assert.equal(ok("volume", "create", "one"), "one\n");
    assert.match(ok("volume", "ls"), /^ *VOLUME NAME +CREATED *\n.*\n *one +\S.*\n$/);
    const { volume, mountpoints } = JSON.parse(ok("isv", "one"));
    assert.deepEqual(Object.keys(volume), ["created", "dataset", "mountpoint", "name"]);
    assert.deepEqual([volume.name, mountpoints], ["one", []]);
    assert.deepEqual(readdirSync(volume.mountpoint), []);
    assert.match(ok("lsv", "--format", "json"), /^\{.*"name": ?"one"\}\n$/);
    refused(/volume name is already taken: one/, 1, "volume", "create", "one");
    refused(/invalid volume name/, 2, "volume", "create", "a/b");
    refused(/volume not found: none/, 1, "isv", "none");
    refused(/volume not found: none/, 1, "rmv", "none");
    assert.equal(ok("rmv", "one"), "one\n");
    assert.deepEqual([names(), directories()], [[], []]);
    const events = ok("events", "--no-follow")
      .split("\n")
      .filter((line) => line.includes(" volume "));
    assert.deepEqual(
      events.map((line) => line.replace(/^\S+ (.*) [0-9a-f]{12} /, "$1 ")),
      ["volume create one", "volume remove one"],
    );
  });

  check("what one container writes, the next one has; its image's files are there at first", () => {
    const script = "cat /data/first /data/inner/second; echo mine >/data/third; rm /data/first";
    assert.match(ok("run", "--rm", "-m", "kept:/data", "box", "sh", "-c", script), /of the image\nof the image too\n/);
    assert.deepEqual(names(), ["kept"], "made by the mount");
    const again = ok(
      "run",
      "--rm",
      "-m",
      "kept:/other/place:ro",
      "box",
      "sh",
      "-c",
      "cd /other/place; echo *; cat third",
    );
    assert.match(again, /inner third\nmine\n/);
    const { volume } = JSON.parse(ok("isv", "kept"));
    assert.equal(readFileSync(join(volume.mountpoint, "third"), "utf8"), "mine\n");
    const script_ = "echo no >/data/fourth";
    const { status, stderr } = host.klee(["run", "--rm", "-m", "kept:/data:ro", "box", "sh", "-c", script_]);
    assert.notEqual(status, 0);
    assert.match(stderr, /Read-only file system/);
  });

  check("a place that is not in the image, or is behind a link, and two containers of one volume", () => {
    ok("run", "--rm", "-m", "fresh:/nowhere/yet", "box", "sh", "-c", "echo hello >/nowhere/yet/file");
    assert.equal(readFileSync(join(JSON.parse(ok("isv", "fresh")).volume.mountpoint, "file"), "utf8"), "hello\n");
    assert.match(ok("run", "--rm", "-m", "behind:/linked", "box", "cat", "/data/first"), /of the image/);
    ok("run", "-d", "--name", "writer", "-m", "shared:/there", "box", "sh", "-c", "echo seen >/there/by; sleep 1000");
    ok("run", "--rm", "-m", "shared:/here", "box", "sh", "-c", "until [ -e /here/by ]; do sleep 0.05; done");
    const { container_mountpoints } = JSON.parse(ok("isc", "writer"));
    assert.deepEqual(
      container_mountpoints.map(({ source, type, destination }: Record<string, string>) => [source, type, destination]),
      [["shared", "volume", "/there"]],
    );
    assert.equal(JSON.parse(ok("isv", "shared")).mountpoints.length, 1);
    refused(/could not remove volume shared since it is used by containers: [0-9a-f]{12}/, 1, "rmv", "shared");
    ok("stop", "writer");
    refused(/is used by containers/, 1, "rmv", "shared");
    ok("rmc", "writer");
  });

  check("a container that is not made leaves no volume of its own; those that nobody uses are pruned", () => {
    const before = names();
    refused(/no such image 'none'/, 125, "run", "-m", "lost:/data", "none", "true");
    refused(
      /two mounts have the destination \/data/,
      125,
      "run",
      "-m",
      "lost:/data",
      "-m",
      "more:/data",
      "box",
      "true",
    );
    refused(/absolute path on the host, or the name of a volume/, 125, "run", "-m", "./lost:/data", "box", "true");
    assert.deepEqual(names(), before);
    ok("create", "--name", "keeper", "-m", "wanted:/data", "box");
    assert.deepEqual(ok("volume", "prune", "-f").split("\n").filter(Boolean).sort(), before);
    assert.deepEqual(names(), ["wanted"]);
    assert.equal(directories().length, 1);
    assert.equal(host.klee(["system", "check"]).status, 0);
    const removed = ok("system", "cleanup", "-f");
    assert.match(removed, /^volume wanted$/m);
    assert.deepEqual(directories(), []);
  });
}
