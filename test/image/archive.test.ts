import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { LinuxStorage } from "../../src/kleene/host/linux/storage.ts";
import { needs } from "../support/gate.ts";
import { paxHeader, tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { listing, temporaryDirectory } from "../support/temporary.ts";

const storage = new LinuxStorage();

function tar(...args: readonly string[]): void {
  execFileSync("tar", args);
}

/** A tree with all that an image keeps. */
function sampleTree(root: string): void {
  mkdirSync(`${root}/etc/deep/er`, { recursive: true });
  mkdirSync(`${root}/tmp`);
  mkdirSync(`${root}/${"d".repeat(120)}/${"e".repeat(140)}`, { recursive: true });
  writeFileSync(`${root}/etc/file`, "content\n");
  linkSync(`${root}/etc/file`, `${root}/etc/deep/hard`);
  writeFileSync(`${root}/etc/empty`, "");
  writeFileSync(`${root}/etc/large`, Buffer.alloc(3_000_001, "klee"));
  writeFileSync(`${root}/${"d".repeat(120)}/${"e".repeat(140)}/long`, "long");
  writeFileSync(`${root}/etc/Főtanúsítvány\nzwei`, "unicode");
  symlinkSync("../etc/file", `${root}/etc/relative`);
  symlinkSync("/usr/bin/nothing", `${root}/etc/absolute`);
  symlinkSync(`../${"x/".repeat(90)}y`, `${root}/etc/long-target`);
  linkSync(`${root}/etc/relative`, `${root}/tmp/hard-link-of-link`);
  writeFileSync(`${root}/etc/suid`, "#!");
  chownSync(`${root}/etc/suid`, 12, 34);
  chmodSync(`${root}/etc/suid`, 0o6755);
  chmodSync(`${root}/tmp`, 0o1777);
  chownSync(`${root}/etc/deep`, 4_000_000, 4_000_001);
  chmodSync(`${root}/etc/deep`, 0o2750);
  chmodSync(`${root}/etc/empty`, 0);
  for (const [index, name] of ["etc/file", "etc/deep/er", "etc/deep", "etc", "tmp", "."].entries())
    utimesSync(`${root}/${name}`, 1_000_000_000 + index, 1_000_000_000 + index);
  lutimesSync(`${root}/etc/absolute`, 1_100_000_000, 1_100_000_000);
  chmodSync(root, 0o751);
}

for (const format of ["gnu", "pax", "oldgnu"]) {
  for (const compression of ["", "--gzip", "--xz"]) {
    test(
      `a ${format} archive${compression === "" ? "" : ` with ${compression.slice(2)}`} of tar(1) comes out as it went in`,
      needs("root", "host"),
      async () => {
        using directory = temporaryDirectory();
        const { path } = directory;
        mkdirSync(`${path}/in`);
        sampleTree(`${path}/in`);
        const options = compression === "" ? [] : [compression];
        tar(`--format=${format}`, ...options, "-cf", `${path}/a.tar`, "-C", `${path}/in`, ".");
        const dataset = await storage.createImage(`${path}/R`, "a1", { method: "tar", source: `${path}/a.tar` });
        assert.equal(dataset, `${path}/R/images/a1/root`);
        assert.deepEqual(listing(dataset), listing(`${path}/in`));
        mkdirSync(`${path}/out`);
        tar("-cf", `${path}/b.tar`, "-C", dataset, ".");
        tar("-xpf", `${path}/b.tar`, "-C", `${path}/out`);
        assert.deepEqual(listing(`${path}/out`), listing(`${path}/in`));
      },
    );
  }
}

/** Makes an image of the bytes and hands its root to `check`. */
async function withImage(archive: Buffer, check: (root: string) => void): Promise<void> {
  using directory = temporaryDirectory();
  writeFileSync(`${directory.path}/a.tar`, archive);
  check(await storage.createImage(`${directory.path}/R`, "a1", { method: "tar", source: `${directory.path}/a.tar` }));
}

const text = (content: string): Buffer => Buffer.from(content);

test("parents that the archive does not list are made, 0755 and root's", needs("root"), () =>
  withImage(tarArchive(tarEntry({ name: "a/b/c", content: text("x") })), (root) => {
    assert.equal(readFileSync(`${root}/a/b/c`, "utf8"), "x");
    for (const name of ["a", "a/b"]) {
      const stats = lstatSync(`${root}/${name}`);
      assert.deepEqual([stats.mode & 0o7777, stats.uid, stats.gid], [0o755, 0, 0]);
    }
    assert.equal(lstatSync(root).mode & 0o7777, 0o755);
  }),
);

test("a leading ./, repeated slashes and inner dots name the same place", needs("root"), () =>
  withImage(
    tarArchive(
      tarEntry({ name: "./", type: "5", mode: 0o711 }),
      tarEntry({ name: "./a//b/./", type: "5", mode: 0o700 }),
      tarEntry({ name: "a/b/f", content: text("x") }),
    ),
    (root) => {
      assert.equal(lstatSync(root).mode & 0o7777, 0o711);
      assert.equal(lstatSync(`${root}/a/b`).mode & 0o7777, 0o700);
      assert.equal(readFileSync(`${root}/a/b/f`, "utf8"), "x");
    },
  ),
);

test("a later entry of the same kind takes the place of an earlier one", needs("root"), () =>
  withImage(
    tarArchive(
      tarEntry({ name: "f", content: text("old and longer"), mode: 0o4755 }),
      tarEntry({ name: "other", type: "1", link: "f" }),
      tarEntry({ name: "l", type: "2", link: "old" }),
      tarEntry({ name: "d", type: "5", mode: 0o700 }),
      tarEntry({ name: "f", content: text("new"), mode: 0o600 }),
      tarEntry({ name: "l", type: "2", link: "new" }),
      tarEntry({ name: "d", type: "5", mode: 0o755 }),
    ),
    (root) => {
      assert.equal(readFileSync(`${root}/f`, "utf8"), "new");
      assert.equal(lstatSync(`${root}/f`).mode & 0o7777, 0o600);
      assert.equal(readFileSync(`${root}/other`, "utf8"), "old and longer");
      assert.equal(readlinkSync(`${root}/l`), "new");
      assert.equal(lstatSync(`${root}/d`).mode & 0o7777, 0o755);
    },
  ),
);

test("a directory that may not be written to is filled first", needs("root"), () =>
  withImage(
    tarArchive(
      tarEntry({ name: "d/", type: "5", mode: 0o555, mtime: 1234 }),
      tarEntry({ name: "d/f", content: text("x"), mtime: 5678 }),
    ),
    (root) => {
      assert.equal(lstatSync(`${root}/d`).mode & 0o7777, 0o555);
      assert.equal(lstatSync(`${root}/d`).mtimeMs, 1_234_000);
      assert.equal(lstatSync(`${root}/d/f`).mtimeMs, 5_678_000);
    },
  ),
);

test("pax records for owner and time stand above the fixed header", needs("root", "host"), () =>
  withImage(
    tarArchive(
      paxHeader({ uid: "3000000000", gid: "3000000001", mtime: "1500000000.25", path: "häß/lich" }),
      tarEntry({ name: "short", uid: 1, gid: 2, mtime: 3, content: text("x") }),
    ),
    (root) => {
      const stats = lstatSync(`${root}/häß/lich`);
      assert.deepEqual([stats.uid, stats.gid, stats.mtimeMs], [3_000_000_000, 3_000_000_001, 1_500_000_000_250]);
      assert.ok(!existsSync(`${root}/short`));
    },
  ),
);

test("a GNU long name whose bytes are no UTF-8 is kept byte by byte", needs("root"), () => {
  const name = Buffer.concat([Buffer.from("caf"), Buffer.from([0xe9]), Buffer.from("x".repeat(120))]);
  const entry = tarEntry({ name: "././@LongLink", type: "L", content: Buffer.concat([name, Buffer.alloc(1)]) });
  return withImage(tarArchive(entry, tarEntry({ name: "cut", content: text("x") })), (root) => {
    assert.equal(readFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), "utf8"), "x");
  });
});

test("an archive older than ustar is read", needs("root"), () =>
  withImage(tarArchive(tarEntry({ name: "f", content: text("x"), magic: "" })), (root) =>
    assert.equal(readFileSync(`${root}/f`, "utf8"), "x"),
  ),
);

test("gzip data in several members is one archive", needs("root"), () => {
  const archive = tarArchive(tarEntry({ name: "f", content: Buffer.alloc(5000, "y") }));
  const bytes = Buffer.concat([gzipSync(archive.subarray(0, 700)), gzipSync(archive.subarray(700))]);
  return withImage(bytes, (root) => assert.equal(lstatSync(`${root}/f`).size, 5000));
});

test("an archive whose first name looks like compressed data is read", needs("root"), () =>
  withImage(tarArchive(tarEntry({ name: "BZh9", content: text("x") })), (root) =>
    assert.equal(readFileSync(`${root}/BZh9`, "utf8"), "x"),
  ),
);

test("a second name of a symbolic link has the same target", needs("root"), () =>
  withImage(
    tarArchive(
      tarEntry({ name: "d/l", type: "2", link: "/etc/passwd" }),
      tarEntry({ name: "again", type: "1", link: "./d/l" }),
    ),
    (root) => assert.equal(readlinkSync(`${root}/again`), "/etc/passwd"),
  ),
);

test("modes do not depend on the umask", needs("root"), async () => {
  const before = process.umask(0o077);
  try {
    await withImage(tarArchive(tarEntry({ name: "d/f", content: text("x"), mode: 0o666 })), (root) => {
      assert.equal(lstatSync(`${root}/d/f`).mode & 0o7777, 0o666);
      assert.equal(lstatSync(`${root}/d`).mode & 0o7777, 0o755);
      assert.equal(lstatSync(root).mode & 0o7777, 0o755);
      assert.equal(lstatSync(`${root}/..`).mode & 0o7777, 0o700);
    });
  } finally {
    process.umask(before);
  }
});
