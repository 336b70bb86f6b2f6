import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { tarArchive, tarEntry } from "../support/tar-bytes.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "busybox");
const machine = new Machine();
const ok = (...args: string[]): string => machine.ok(...args).trimEnd();
after(() => machine[Symbol.dispose]());

const rootfs = join(machine.directory, "rootfs");
before(() => buildRoot(rootfs, ["sh"]));

function refused(status: number, message: RegExp, ...args: readonly string[]): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, message);
  assert.equal(result.stderr.trimEnd().split("\n").length, 1, result.stderr);
}

const stored = (): string[] => {
  const images = join(machine.root, "images");
  return existsSync(images) ? readdirSync(images) : [];
};

test("the running system as an image: its programs, its files unchanged", gate, () => {
  const id = ok("image", "create", "host", "-t", "here");
  assert.match(id, /^[0-9a-f]{12}$/);
  const file = "/etc/os-release";
  const before = readFileSync(file, "utf8");
  const script = 'cat "$1"; echo changed > "$1"; cat "$1"';
  assert.equal(ok("run", "here", "sh", "-c", script, "sh", file), `${before}changed`);
  assert.equal(readFileSync(file, "utf8"), before);
});

for (const compression of ["", "--gzip"])
  test(`an archive${compression && ", compressed"}: made, run, removed`, gate, () => {
    const archive = join(machine.directory, `root${compression}.tar`);
    machine.run("tar", "-C", rootfs, "-cf", archive, ...(compression === "" ? [] : [compression]), ".");
    const id = ok("image", "create", "tar", archive, "-t", "packed:1");
    assert.equal(ok("run", "--rm", "packed:1", "sh", "-c", "cat /etc/group"), "root:x:0:\nwww:x:80:");
    assert(stored().includes(id));
    assert.equal(ok("rmi", "packed:1"), id);
    assert(!stored().includes(id));
  });

test("names: moved by tag, listed, removed; an image in use stays", gate, () => {
  const first = ok("image", "create", "dir", rootfs, "-t", "app");
  const second = ok("image", "create", "dir", rootfs, "-t", "app:2");
  assert.equal(JSON.parse(ok("isi", "app")).id, first);
  ok("image", "tag", second, "other:latest");
  const names = ok("lsi", "--format", "json")
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ name, tag }) => `${name}:${tag}`);
  assert(names.includes("other:latest"), names.join());
  const container = ok("create", "app", "true");
  refused(1, new RegExp(`used for containers: ${container}`), "rmi", "app");
  ok("rmc", container);
  assert.equal(ok("rmi", "app"), first);
  refused(125, /no such image.*app/i, "run", "app:nosuch", "true");
});

const hostile: Readonly<Record<string, Buffer>> = {
  "a path with ..": tarArchive(tarEntry({ name: "../outside", content: Buffer.from("x") })),
  "an absolute path": tarArchive(tarEntry({ name: "/outside", content: Buffer.from("x") })),
  "a file through a link that leads out": tarArchive(
    tarEntry({ name: "link", type: "2", link: "../../.." }),
    tarEntry({ name: "link/outside", content: Buffer.from("x") }),
  ),
  "a hard link that leads out": tarArchive(tarEntry({ name: "passwd", type: "1", link: "../../../../etc/passwd" })),
  "a kind of file that nobody knows": tarArchive(tarEntry({ name: "odd", type: "Z" })),
  "no archive at all": Buffer.alloc(4096, "klee"),
  "an archive cut short": tarArchive(tarEntry({ name: "etc/file", content: Buffer.alloc(4096) })).subarray(0, 1024),
};

for (const [what, bytes] of Object.entries(hostile))
  test(`${what} is refused whole, nothing left behind`, gate, () => {
    const archive = join(machine.directory, "hostile.tar");
    writeFileSync(archive, bytes);
    const before = stored();
    const listed = ok("lsi", "-q");
    refused(1, /^klee: /, "image", "create", "tar", archive, "-t", "hostile");
    assert.deepEqual(stored(), before);
    assert.equal(ok("lsi", "-q"), listed);
    for (const path of ["outside", "../outside"]) assert(!existsSync(join(machine.root, "images", path)));
  });

test("what an image does not have of its archive is said on standard error", gate, () => {
  const archive = join(machine.directory, "devices.tar");
  const nodes = ["dev/null", "dev/zero"].map((name) => tarEntry({ name, type: "3" }));
  writeFileSync(archive, tarArchive(...nodes, tarEntry({ name: "run/p", type: "6" })));
  const made = machine.klee(["image", "create", "tar", archive]);
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /^[0-9a-f]{12}\n$/);
  assert.equal(
    made.stderr,
    'klee: warning: left out of the image: 2 device nodes ("dev/null" and others)\n' +
      'klee: warning: left out of the image: a socket or FIFO ("run/p")\n',
  );
  ok("rmi", made.stdout.trim());
});

test("what is no source, and what is no name", gate, () => {
  mkdirSync(join(machine.directory, "empty"), { recursive: true });
  refused(1, /nosuch/, "image", "create", "dir", join(machine.directory, "nosuch"));
  refused(1, /directory/, "image", "create", "tar", join(machine.directory, "empty"));
  refused(2, /SOURCE/, "image", "create", "tar");
  refused(2, /./, "image", "create", "zfs", "tank/x");
  refused(2, /name/, "image", "create", "dir", rootfs, "-t", "Bad Name");
});
