import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { type Finished, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { listing } from "../support/temporary.ts";
import { numbers, seed } from "./seed.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

/** A directory of the host that the images' links lead to; nothing in it may ever change. */
const target = join(machine.directory, "host");
const root = join(machine.directory, "hostile");
let untouched: string[];

before(() => {
  mkdirSync(target);
  writeFileSync(join(target, "resolv.conf"), "nameserver 203.0.113.1\n");
  writeFileSync(join(target, "passwd"), "root:x:4242:4242::/:/bin/sh\n");
  writeFileSync(join(target, "secret"), "secret of the host\n", { mode: 0o600 });
  untouched = listing(target);
});

/** Where links of an image lead: the host's directory by each way, nowhere, and round in circles. */
const ways = (name: string): string[] => [
  target,
  `../../../../../../../../..${target}`,
  `/proc/self/root${target}`,
  "/proc/1/root",
  "/proc/self/cwd",
  "/proc/self/fd/3",
  "/dev/stdin",
  "/nowhere",
  name,
];

/** Runs a container of an image in which one path is a link, then a second command in it, and removes both. */
function live(path: string, leadsTo: string, options: readonly string[] = []): Finished {
  rmSync(root, { recursive: true, force: true });
  buildRoot(root, ["sh"]);
  rmSync(join(root, path), { recursive: true, force: true });
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(leadsTo, join(root, path));
  const image = machine.klee(["image", "create", "dir", root]);
  assert.equal(image.status, 0, image.stderr);
  const id = image.stdout.trim();
  const command = [
    "sh",
    "-c",
    "cat /etc/resolv.conf /etc/passwd; echo x > /etc/new; echo x > /dev/new; id -u; ls /mnt",
  ];
  const result = machine.klee(["run", "--rm", "-l", "disabled", ...options, id, ...command]);
  for (const container of machine.klee(["lsc", "-a", "-q"]).stdout.split("\n").filter(Boolean))
    assert.equal(machine.klee(["rmc", "-f", container]).status, 0);
  const removed = machine.klee(["image", "rm", id]);
  assert.equal(removed.status, 0, removed.stderr);
  const what = `${path} -> ${leadsTo}`;
  assert.deepEqual(listing(target), untouched, what);
  assert.doesNotMatch(result.stdout, /secret|203\.0\.113|4242/, what);
  assert.doesNotMatch(result.stderr, /\n\s+at /, what);
  if (result.status >= 125) assert.match(result.stderr, /^klee: .+$/m, what);
  return result;
}

/** All of them in a soak, else a few at a time. */
const some = (all: readonly string[]): readonly string[] =>
  process.env.KLEE_SOAK_SECONDS === undefined ? all.filter((_, index) => index === 0 || pick(3) === 0) : all;
const pick = numbers(seed);

for (const path of ["etc", "etc/resolv.conf", "etc/passwd", "etc/group", "proc", "dev", "dev/pts", "mnt", "bin/sh"])
  test(`an image whose /${path} is a link leads nowhere outside it`, gate, () => {
    for (const way of some(ways(`/${path}`))) live(path, way, path === "mnt" ? ["-m", `${root}:/mnt`] : []);
  });

test("a mount's destination below a link of the image stays in the image", gate, () => {
  for (const way of some(ways("/mnt"))) {
    const source = machine.folder("source");
    writeFileSync(join(source, "given"), "");
    live("mnt", way, ["-m", `${source}:/mnt/below/it:ro`]);
    assert.deepEqual(listing(target), untouched);
  }
});

test("/proc and /dev that are links are refused by name", gate, () => {
  for (const path of ["proc", "dev"]) {
    const result = live(path, target);
    assert.equal(result.status, 125, result.stderr);
    assert.match(result.stderr, new RegExp(`/${path}: ELOOP`));
  }
});

test("a container that makes its own files links, and is started again", gate, () => {
  rmSync(root, { recursive: true, force: true });
  buildRoot(root, ["sh"]);
  const id = machine.klee(["image", "create", "dir", root]).stdout.trim();
  const evil = `rm -rf /etc && ln -s ${target} /etc; rm -rf /mnt; ln -s ${target} /mnt; ln -s / /root/r; exit 0`;
  const first = machine.klee(["run", "-l", "disabled", "--name", "evil", "-m", `${root}:/mnt/x`, id, "sh", "-c", evil]);
  assert.ok(first.status < 125, first.stderr);
  machine.klee(["exec", "evil", "sh", "-c", "echo x > /etc/new"]);
  assert.equal(machine.klee(["rmc", "-f", "evil"]).status, 0);
  assert.deepEqual(listing(target), untouched);
});

test("archives whose entries go through links are refused", gate, () => {
  const tree = machine.folder("tree");
  symlinkSync(target, join(tree, "d"));
  const archive = join(machine.directory, "through.tar");
  execFileSync("tar", ["-cf", archive, "-C", tree, "d"]);
  rmSync(join(tree, "d"));
  mkdirSync(join(tree, "d"));
  writeFileSync(join(tree, "d/secret"), "overwritten\n");
  execFileSync("tar", ["-rf", archive, "-C", tree, "d/secret"]);
  const result = machine.klee(["image", "create", "tar", archive]);
  assert.equal(result.status, 1);
  assert.match(result.stderr, /^klee: image creation failed: .*symbolic link.*\n$/);
  assert.equal(readFileSync(join(target, "secret"), "utf8"), "secret of the host\n");
  assert.ok(lstatSync(target).isDirectory());
});
