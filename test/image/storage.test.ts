import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { containerResolver } from "../../src/kleene/container/resolver.ts";
import { forwardersOf } from "../../src/kleene/host/freebsd/unbound.ts";
import { LinuxStorage } from "../../src/kleene/host/linux/storage.ts";
import { writeResolver } from "../../src/kleene/host/resolver-file.ts";
import { needs } from "../support/gate.ts";
import { tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const id = "f455de07ac84";
/** The dataset of an image that has files of its own. */
const IMAGE = "/nosuch";
const mode = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);

test("the running system as an image takes no space: its dataset is /", async () => {
  using directory = temporaryDirectory();
  const storage = new LinuxStorage();
  assert.equal(await storage.createImage(directory.path, id, { method: "host", source: undefined }), "/");
  assert.deepEqual(readdirSync(directory.path), []);
  await storage.removeImage(directory.path, id);
  assert.ok(existsSync("/etc"));
});

test("a container's layer is made and removed, twice without complaint", needs("root"), async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/R`;
  writeFileSync(`${directory.path}/resolv.conf`, "search example\nnameserver 192.0.2.1\n");
  const storage = new LinuxStorage([`${directory.path}/resolv.conf`]);
  const before = process.umask(0o077);
  try {
    await storage.createContainer(root, id, IMAGE);
  } finally {
    process.umask(before);
  }
  const dataset = storage.containerDataset(root, id);
  assert.equal(dataset, `${root}/containers/${id}`);
  assert.deepEqual(storage.rootOf(root, id, "/image"), {
    kind: "overlay",
    lower: ["/image"],
    upper: `${dataset}/upper`,
    work: `${dataset}/work`,
    mountpoint: `${dataset}/root`,
  });
  assert.deepEqual(readdirSync(dataset).sort(), ["root", "upper", "work"]);
  assert.equal(mode(root), "700");
  assert.equal(mode(dataset), "700");
  assert.equal(mode(`${dataset}/upper`), "755");
  process.umask(0o077);
  try {
    writeResolver(`${dataset}/upper`, storage.resolver(root, id, "addresses"));
  } finally {
    process.umask(before);
  }
  assert.equal(mode(`${dataset}/upper/etc`), "755");
  assert.equal(mode(`${dataset}/upper/etc/resolv.conf`), "644");
  assert.equal(readFileSync(`${dataset}/upper/etc/resolv.conf`, "utf8"), "search example\nnameserver 192.0.2.1\n");
  await storage.removeContainer(root, id);
  await storage.removeContainer(root, id);
  assert.deepEqual(readdirSync(`${root}/containers`), []);
});

test("a container that exists is not made again, nor harmed", needs("root"), async () => {
  using directory = temporaryDirectory();
  const storage = new LinuxStorage([]);
  await storage.createContainer(directory.path, id, IMAGE);
  writeFileSync(`${directory.path}/containers/${id}/upper/kept`, "x");
  await assert.rejects(storage.createContainer(directory.path, id, IMAGE), { name: "KleeError", code: "HOST" });
  assert.deepEqual(readdirSync(`${directory.path}/containers`), [id]);
  assert.deepEqual(readdirSync(`${directory.path}/containers/${id}/upper`), ["kept"]);
});

test("what a killed command left half made is removed", needs("root"), async () => {
  using directory = temporaryDirectory();
  const storage = new LinuxStorage();
  mkdirSync(`${directory.path}/images/.tmp-${id}/root/etc`, { recursive: true });
  mkdirSync(`${directory.path}/containers/.tmp-${id}/upper`, { recursive: true });
  await storage.removeImage(directory.path, id);
  await storage.removeContainer(directory.path, id);
  assert.deepEqual(readdirSync(`${directory.path}/images`), []);
  assert.deepEqual(readdirSync(`${directory.path}/containers`), []);
});

test("an image is removed, twice without complaint, and no other", needs("root"), async () => {
  using directory = temporaryDirectory();
  const storage = new LinuxStorage();
  const source = `${directory.path}/a.tar`;
  writeFileSync(source, tarArchive(tarEntry({ name: "f" })));
  for (const image of ["a1", "a2"]) await storage.createImage(directory.path, image, { method: "tar", source });
  await storage.removeImage(directory.path, "a1");
  await storage.removeImage(directory.path, "a1");
  assert.deepEqual(readdirSync(`${directory.path}/images`), ["a2"]);
});

for (const malformed of ["", ".", "..", "a/b", "../x", ".tmp-a"]) {
  test(`no directory is made or removed for the id ${JSON.stringify(malformed)}`, async () => {
    using directory = temporaryDirectory();
    const storage = new LinuxStorage();
    mkdirSync(`${directory.path}/images/kept`, { recursive: true });
    await assert.rejects(storage.removeImage(directory.path, malformed), { code: "INVALID" });
    await assert.rejects(storage.removeContainer(directory.path, malformed), { code: "INVALID" });
    await assert.rejects(storage.createContainer(directory.path, malformed, IMAGE), { code: "INVALID" });
    assert.deepEqual(readdirSync(directory.path), ["images"]);
    assert.deepEqual(readdirSync(`${directory.path}/images`), ["kept"]);
  });
}

for (const kind of ["tmpfs", "bind"] as const) {
  test(`nothing is removed while a ${kind} mount is left in a container`, needs("root"), async () => {
    using directory = temporaryDirectory();
    const storage = new LinuxStorage();
    await storage.createContainer(directory.path, id, IMAGE);
    const dataset = storage.containerDataset(directory.path, id);
    mkdirSync(`${dataset}/upper/with space`);
    mkdirSync(`${directory.path}/precious`);
    writeFileSync(`${directory.path}/precious/f`, "x");
    const target = `${dataset}/upper/with space`;
    if (kind === "tmpfs") execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "klee-test", target]);
    else execFileSync("mount", ["--bind", `${directory.path}/precious`, target]);
    try {
      await assert.rejects(storage.removeContainer(directory.path, id), {
        code: "HOST",
        message: `cannot remove ${dataset}: ${target} is still mounted; unmount it first`,
      });
    } finally {
      execFileSync("umount", [target]);
    }
    assert.equal(readFileSync(`${directory.path}/precious/f`, "utf8"), "x");
    assert.deepEqual(readdirSync(dataset).sort(), ["root", "upper", "work"]);
    await storage.removeContainer(directory.path, id);
    assert.ok(!existsSync(dataset));
  });
}

test("name servers on the host's loopback addresses are left out", () => {
  const text = [
    "# made by hand",
    "nameserver 127.0.0.53",
    "nameserver 127.1.2.3 # local",
    "nameserver\t::1",
    "nameserver ::1%lo",
    "nameserver 192.0.2.53",
    "nameserver 2001:db8::1",
    "nameserver ::10",
    "search nameserver.example",
    "options edns0",
    "",
  ].join("\n");
  assert.deepEqual(containerResolver(text, "host"), { text, nameservers: 7 }, "on the host's network they are its own");
  assert.deepEqual(containerResolver(text, "addresses"), {
    text: "# made by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::1\nnameserver ::10\nsearch nameserver.example\noptions edns0\n",
    nameservers: 3,
  });
});

test("the first resolver file with a name server left is taken; else the first; else the image's own stays", () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  writeFileSync(`${path}/stub`, "nameserver 127.0.0.53\nsearch a\n");
  writeFileSync(`${path}/real`, "nameserver 192.0.2.1\n");
  for (const [files, text, nameservers] of [
    [["stub", "real"], "nameserver 192.0.2.1\n", 1],
    [["real", "stub"], "nameserver 192.0.2.1\n", 1],
    [["stub", "nothing"], "search a\n", 0],
    [["nothing"], undefined, 0],
  ] as const) {
    const paths = files.map((name) => `${path}/${name}`);
    assert.deepEqual(new LinuxStorage(paths).resolver(path, "c0", "addresses"), {
      text,
      nameservers,
      record: `${path}/containers/c0/resolv.conf`,
    });
  }
  assert.equal(new LinuxStorage([`${path}/stub`]).resolver(path, "c0", "host").nameservers, 1);
});

test("whom local_unbound asks is asked by containers, on the port that resolv.conf means", () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/forward.conf`;
  const lines = [
    "192.0.2.1",
    "192.0.2.2@53",
    "192.0.2.3@853#dns.example",
    "2001:db8::1",
    "127.0.0.1",
    "192.0.2.1",
    "x",
  ];
  writeFileSync(path, ["forward-zone:", "\tname: .", ...lines.map((line) => `\tforward-addr: ${line}`), ""].join("\n"));
  const text = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 2001:db8::1\n";
  assert.deepEqual(forwardersOf(path), { text, nameservers: 3 });
  writeFileSync(path, "forward-zone:\n");
  assert.equal(forwardersOf(path), undefined);
  assert.equal(forwardersOf(`${path}.not`), undefined);
});

test("a container gets the name servers of each start, unless it has others of its own; no link leads out of it", () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  const files = `${path}/upper`;
  const file = `${files}/etc/resolv.conf`;
  mkdirSync(files);
  const give = (text: string | undefined): string => {
    writeResolver(files, { text, nameservers: 1, record: `${path}/record` });
    return readFileSync(file, "utf8");
  };
  assert.equal(give("nameserver 192.0.2.1\n"), "nameserver 192.0.2.1\n");
  assert.equal(give("nameserver 192.0.2.2\n"), "nameserver 192.0.2.2\n", "the host's changed");
  assert.equal(give(undefined), "nameserver 192.0.2.2\n", "the host has none");
  rmSync(file);
  assert.equal(give("nameserver 192.0.2.3\n"), "nameserver 192.0.2.3\n", "as after a klee that was killed");
  writeFileSync(file, "nameserver 203.0.113.1\n");
  assert.equal(give("nameserver 192.0.2.4\n"), "nameserver 203.0.113.1\n", "the container's own");
  writeFileSync(`${path}/precious`, "x");
  rmSync(`${path}/record`);
  rmSync(file);
  symlinkSync(`${path}/precious`, file);
  assert.equal(give("nameserver 192.0.2.5\n"), "nameserver 192.0.2.5\n");
  assert.equal(readFileSync(`${path}/precious`, "utf8"), "x");
  rmSync(file);
  symlinkSync(`${path}/precious`, file);
  give("nameserver 192.0.2.6\n");
  assert.equal(readFileSync(`${path}/precious`, "utf8"), "x");
  rmSync(`${files}/etc`, { recursive: true });
  mkdirSync(`${path}/elsewhere`);
  symlinkSync(`${path}/elsewhere`, `${files}/etc`);
  writeResolver(files, { text: "nameserver 192.0.2.7\n", nameservers: 1, record: `${path}/other` });
  assert.deepEqual(readdirSync(`${path}/elsewhere`), []);
});

test("a full file system is said in one line, and the half-made image is gone", needs("root"), async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/R`;
  mkdirSync(root);
  mkdirSync(`${directory.path}/in`);
  writeFileSync(`${directory.path}/in/large`, Buffer.alloc(1_000_000, 1));
  const source = `${directory.path}/a.tar`;
  writeFileSync(source, tarArchive(tarEntry({ name: "large", content: Buffer.alloc(1_000_000, 1) })));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "klee-test", root]);
  try {
    const storage = new LinuxStorage();
    await assert.rejects(storage.createImage(root, id, { method: "tar", source }), {
      code: "HOST",
      message: `image creation failed: ${source}: entry "large": write: ENOSPC (no space left on device)`,
    });
    await assert.rejects(storage.createImage(root, id, { method: "dir", source: `${directory.path}/in` }), {
      code: "HOST",
      message: /^image creation failed: .*\/in: "large": write: ENOSPC \(no space left on device\)$/,
    });
    assert.deepEqual(readdirSync(`${root}/images`), []);
  } finally {
    execFileSync("umount", [root]);
  }
});
