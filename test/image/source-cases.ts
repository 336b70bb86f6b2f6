/** What every host makes of an archive or a directory, whatever its kernel. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { attribute, attributeNames, setAttribute } from "../../src/ffi/linux/file.ts";
import type { Storage } from "../../src/kleene/host/host.ts";
import { compiled } from "../support/compile.ts";
import { needs } from "../support/gate.ts";
import { paxHeader, tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { listing, temporaryDirectory } from "../support/temporary.ts";

const exchange = compiled(new URL("exchange.c", import.meta.url), "gnu11");
const HOLE = 300_000;
const BEFORE_1970 = -631_152_000;

/** An image made of a source, and the lines on what it does not have. */
interface Made {
  readonly root: string;
  readonly said: readonly string[];
}

/** A file of `count` parts of data with holes between them and one at the end. */
function writeSparse(path: string, count: number): void {
  const fd = openSync(path, "w");
  for (let index = 0; index < count; index++) writeSync(fd, Buffer.alloc(5000, index + 1), 0, 5000, index * HOLE);
  execFileSync("truncate", ["-s", String(count * HOLE + 12_345), path]);
  closeSync(fd);
}

function assertSameSparse(copy: string, original: string): void {
  assert.ok(readFileSync(copy).equals(readFileSync(original)));
  const [{ size, blocks }, other] = [lstatSync(copy), lstatSync(original)];
  assert.equal(size, other.size);
  assert.ok(blocks <= other.blocks + 64, `${blocks} blocks of 512 bytes, the original has ${other.blocks}`);
}

function readAttributes(path: string): Record<string, string> {
  const fd = openSync(path, "r");
  try {
    const named = attributeNames(fd).map((name) => [name, attribute(fd, name)?.toString("latin1") ?? ""] as const);
    return Object.fromEntries(named.filter(([name]) => !name.startsWith("security.selinux")));
  } finally {
    closeSync(fd);
  }
}

/** A name with a socket behind it. */
async function makeSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.listening`, resolve));
  // Closing the server removes its socket's name.
  linkSync(`${path}.listening`, path);
  await new Promise((resolve) => server.close(resolve));
}

/**
 * @param keepsCapabilities does the host keep what capabilities(7) a file has, and know of attributes beside `user`?
 */
export function testSources(storage: Storage, keepsCapabilities: boolean): void {
  const make = async (method: "tar" | "dir", source: string, store: string): Promise<Made> => {
    const said: string[] = [];
    await storage.createImage(store, "a1", { method, source }, (line) => said.push(line));
    return { root: `${store}/images/a1/root`, said };
  };
  const ofArchive = async (bytes: Buffer, check: (made: Made) => void): Promise<void> => {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/a.tar`, bytes);
    check(await make("tar", `${directory.path}/a.tar`, `${directory.path}/R`));
  };

  const forms = ["--format=oldgnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"];
  for (const form of forms)
    test(`sparse files of tar ${form}, as they are and with holes`, needs("root"), async () => {
      using directory = temporaryDirectory();
      const { path } = directory;
      mkdirSync(`${path}/in`);
      // Old GNU headers have room for 4 parts, and the blocks that follow for 21.
      for (const count of [0, 1, 4, 5, 60]) writeSparse(`${path}/in/sparse${count}`, count);
      writeSparse(`${path}/in/${"n".repeat(150)}`, 2);
      writeFileSync(`${path}/in/plain`, "after them");
      const format = form.startsWith("--format") ? [form] : ["--format=posix", form];
      execFileSync("tar", [...format, "--sparse", "-cf", `${path}/a.tar`, "-C", `${path}/in`, "."]);
      assert.ok(lstatSync(`${path}/a.tar`).size < 2_000_000, "tar found no holes");
      const { root, said } = await make("tar", `${path}/a.tar`, `${path}/R`);
      for (const name of readdirSync(`${path}/in`)) assertSameSparse(`${root}/${name}`, `${path}/in/${name}`);
      assert.deepEqual(listing(root), listing(`${path}/in`));
      assert.deepEqual(said, []);
    });

  test("a directory's sparse files keep their holes", needs("root"), async () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    mkdirSync(`${path}/in`);
    for (const count of [0, 1, 60]) writeSparse(`${path}/in/sparse${count}`, count);
    const { root } = await make("dir", `${path}/in`, `${path}/R`);
    for (const name of readdirSync(`${path}/in`)) assertSameSparse(`${root}/${name}`, `${path}/in/${name}`);
  });

  for (const [program, options] of [
    ["gzip", []],
    ["xz", ["--check=crc32"]],
  ] as const)
    for (const records of [10_240, 2_000_000])
      test(`NULs after ${program} data, which fill up a record of ${records} bytes`, needs("root"), async () => {
        using directory = temporaryDirectory();
        const { path } = directory;
        mkdirSync(`${path}/in`);
        writeFileSync(`${path}/in/f`, "x");
        execFileSync("tar", ["-cf", `${path}/a.tar`, "-C", `${path}/in`, "."]);
        const packed = execFileSync(program, [...options, "-c", `${path}/a.tar`]);
        const padded = execFileSync("dd", [`bs=${records}`, "conv=sync", "iflag=fullblock", "status=none"], {
          input: packed,
          maxBuffer: 16 << 20,
        });
        assert.equal(padded.length, records);
        await ofArchive(padded, ({ root }) => assert.equal(readFileSync(`${root}/f`, "utf8"), "x"));
      });

  test("what bsdtar writes to a pipe, compressed", needs("root", "bsdtar"), async () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    mkdirSync(`${path}/in`);
    writeFileSync(`${path}/in/f`, "x");
    writeSparse(`${path}/in/sparse`, 3);
    setAttribute(Buffer.from(`${path}/in/f`), "user.note", Buffer.from([0, 255, 61]));
    for (const compression of ["-z", "-J"]) {
      const archive = execFileSync("bsdtar", [compression, "-cf", "-", "-C", `${path}/in`, "."]);
      await ofArchive(archive, ({ root }) => {
        assert.deepEqual(listing(root), listing(`${path}/in`));
        assertSameSparse(`${root}/sparse`, `${path}/in/sparse`);
        assert.deepEqual(readAttributes(`${root}/f`), { "user.note": "\0\xff=" });
      });
    }
  });

  test("garbage after gzip data is no padding", needs("root"), async () => {
    const bytes = Buffer.concat([gzipSync(tarArchive(tarEntry({ name: "f" }))), Buffer.from("garbage")]);
    await assert.rejects(
      ofArchive(bytes, () => undefined),
      /damaged gzip data: incorrect header check/,
    );
  });

  test("links above the root stay as they are: in a container they end at its root", needs("root"), () =>
    ofArchive(
      tarArchive(
        tarEntry({ name: "l", type: "2", link: "../../usr/lib/x" }),
        tarEntry({ name: "a/b/l", type: "2", link: "../../../../etc/passwd" }),
        tarEntry({ name: "again", type: "1", link: "a/b/l" }),
      ),
      ({ root }) => {
        assert.equal(readlinkSync(`${root}/l`), "../../usr/lib/x");
        assert.equal(readlinkSync(`${root}/a/b/l`), "../../../../etc/passwd");
        assert.equal(readlinkSync(`${root}/again`), "../../../../etc/passwd");
      },
    ),
  );

  /** As debootstrap(8) leaves it. */
  const makeNodes = async (root: string): Promise<void> => {
    mkdirSync(`${root}/dev/pts`, { recursive: true });
    for (const [name, type, major, minor] of [
      ["null", "c", 1, 3],
      ["zero", "c", 1, 5],
      ["loop0", "b", 7, 0],
    ] as const)
      execFileSync("mknod", [`${root}/dev/${name}`, type, String(major), String(minor)]);
    linkSync(`${root}/dev/null`, `${root}/dev/again`);
    symlinkSync("/proc/self/fd", `${root}/dev/fd`);
    mkdirSync(`${root}/run`);
    execFileSync("mkfifo", [`${root}/run/pipe`]);
    await makeSocket(`${root}/run/socket`);
    writeFileSync(`${root}/file`, "x");
  };

  test("an archive's device nodes and FIFOs are left out, with a line for each kind", needs("root"), async () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    mkdirSync(`${path}/in`);
    await makeNodes(`${path}/in`);
    execFileSync("tar", ["-cf", `${path}/a.tar`, "--exclude=socket", "--sort=name", "-C", `${path}/in`, "."]);
    const { root, said } = await make("tar", `${path}/a.tar`, `${path}/R`);
    assert.deepEqual(readdirSync(`${root}/dev`).sort(), ["fd", "pts"]);
    assert.deepEqual(readdirSync(`${root}/run`), []);
    assert.equal(readFileSync(`${root}/file`, "utf8"), "x");
    assert.deepEqual(said, [
      'left out of the image: 4 device nodes ("dev/again" and others)',
      'left out of the image: a socket or FIFO ("run/pipe")',
    ]);
  });

  test(
    "a directory's device nodes, sockets and FIFOs are left out, with a line for each kind",
    needs("root"),
    async () => {
      using directory = temporaryDirectory();
      const { path } = directory;
      mkdirSync(`${path}/in`);
      await makeNodes(`${path}/in`);
      const { root, said } = await make("dir", `${path}/in`, `${path}/R`);
      assert.deepEqual(readdirSync(`${root}/dev`).sort(), ["fd", "pts"]);
      assert.deepEqual(readdirSync(`${root}/run`), []);
      assert.deepEqual(said, [
        'left out of the image: 4 device nodes ("dev/again" and others)',
        'left out of the image: 2 sockets and FIFOs ("run/pipe" and others)',
      ]);
    },
  );

  test("times before 1970 are kept", needs("root"), async () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    mkdirSync(`${path}/in/d`, { recursive: true });
    writeFileSync(`${path}/in/d/f`, "x");
    symlinkSync("f", `${path}/in/d/l`);
    for (const name of ["d/f", "d/l", "d"])
      execFileSync("touch", ["-h", "-d", "1950-01-01 00:00:00.25 UTC", `${path}/in/${name}`]);
    const times = (root: string): number[] => ["d/f", "d/l", "d"].map((name) => lstatSync(`${root}/${name}`).mtimeMs);
    assert.deepEqual(times(`${path}/in`), Array(3).fill(BEFORE_1970 * 1000 + 250));
    const copied = await make("dir", `${path}/in`, `${path}/R1`);
    assert.deepEqual(times(copied.root), times(`${path}/in`));
    for (const [format, fraction] of [
      ["gnu", 0],
      ["posix", 250],
    ] as const) {
      execFileSync("tar", [`--format=${format}`, "-cf", `${path}/${format}.tar`, "-C", `${path}/in`, "."]);
      const { root } = await make("tar", `${path}/${format}.tar`, `${path}/${format}`);
      assert.deepEqual(times(root), Array(3).fill(BEFORE_1970 * 1000 + fraction), format);
    }
  });

  test("a time's nanoseconds are kept", needs("root"), async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/in`);
    writeFileSync(`${directory.path}/in/f`, "x");
    execFileSync("touch", ["-d", "2001-02-03 04:05:06.123456789 UTC", `${directory.path}/in/f`]);
    const { root } = await make("dir", `${directory.path}/in`, `${directory.path}/R`);
    assert.equal(lstatSync(`${root}/f`, { bigint: true }).mtimeNs, 981_173_106_123_456_789n);
  });

  test("extended attributes and capabilities are kept; what is not is said", needs("root", "setcap"), async () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    mkdirSync(`${path}/in/d`, { recursive: true });
    writeFileSync(`${path}/in/program`, "#!");
    const set = (name: string, key: string, value: Buffer): void =>
      setAttribute(Buffer.from(`${path}/in/${name}`), key, value);
    set("program", "user.note", Buffer.from([0, 10, 61, 255]));
    set("program", "user.empty", Buffer.alloc(0));
    set("program", "user.a=b%3Dc", Buffer.from("x"));
    set("d", "user.of-directory", Buffer.from("y"));
    if (keepsCapabilities) {
      execFileSync("setcap", ["cap_net_bind_service=ep", `${path}/in/program`]);
      set("program", "trusted.overlay.opaque", Buffer.from("y"));
      set("d", "trusted.overlay.opaque", Buffer.from("y"));
      set("d", "user.overlay.opaque", Buffer.from("y"));
    }
    const dropped = /overlay/;
    const kept = (root: string, name: string): [string, string][] =>
      Object.entries(readAttributes(`${root}/${name}`)).filter(([key]) => !dropped.test(key));
    const options = ["--xattrs", "--xattrs-include=*", "-cf", `${path}/a.tar`, "-C", `${path}/in`, "."];
    execFileSync("tar", options);
    for (const [method, source] of [
      ["dir", `${path}/in`],
      ["tar", `${path}/a.tar`],
    ] as const) {
      const { root, said } = await make(method, source, `${path}/${method}`);
      for (const name of ["program", "d"]) {
        const original = kept(`${path}/in`, name);
        assert.ok(original.length > 0);
        assert.deepEqual(readAttributes(`${root}/${name}`), Object.fromEntries(original), `${method} ${name}`);
      }
      assert.equal("security.capability" in readAttributes(`${root}/program`), keepsCapabilities);
      assert.equal(said.length, keepsCapabilities ? 1 : 0);
      for (const line of said)
        for (const part of [
          "left out of the image: 3 extended attributes",
          '"trusted.overlay.opaque"',
          '"user.overlay.opaque"',
        ])
          assert.ok(line.includes(part), line);
    }
  });

  test("access lists of an archive, which are text, are said to be left out", needs("root"), () =>
    ofArchive(
      tarArchive(
        paxHeader({ "SCHILY.acl.access": "user::rwx,user:lp:r--,group::r-x,mask::r-x,other::---" }),
        tarEntry({ name: "f" }),
      ),
      ({ said }) => assert.deepEqual(said, ['left out of the image: an extended attribute ("f"): "SCHILY.acl.access"']),
    ),
  );

  for (const [what, files] of [
    ["an OCI image layout", { "oci-layout": '{"imageLayoutVersion":"1.0.0"}' }],
    ["an archive of 'docker save'", { "manifest.json": '[{"Config":"c.json","Layers":[]}]' }],
  ] as const)
    test(`a directory that is ${what} is refused by name`, needs("root"), async () => {
      using directory = temporaryDirectory();
      const { path } = directory;
      mkdirSync(`${path}/in`);
      for (const [name, content] of Object.entries(files)) writeFileSync(`${path}/in/${name}`, content);
      await assert.rejects(make("dir", `${path}/in`, `${path}/R`), { message: new RegExp(`: ${what}, which klee`) });
      assert.deepEqual(readdirSync(`${path}/R/images`), []);
    });

  test("a program's manifest.json is no image of another tool", needs("root"), async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/in`);
    writeFileSync(`${directory.path}/in/manifest.json`, '{"name":"web application"}');
    const { root } = await make("dir", `${directory.path}/in`, `${directory.path}/R`);
    assert.ok(existsSync(`${root}/manifest.json`));
  });

  for (const what of ["file", "directory"] as const)
    test(
      `a ${what} that its owner exchanges for a link while it is copied leads nowhere`,
      needs("root", "cc"),
      async () => {
        using directory = temporaryDirectory();
        const { path } = directory;
        mkdirSync(`${path}/in/d`, { recursive: true });
        mkdirSync(`${path}/secret`, { mode: 0o700 });
        writeFileSync(`${path}/secret/shadow`, "secret of root", { mode: 0o600 });
        const [one, other] = [`${path}/in/d/one`, `${path}/in/d/other`];
        if (what === "file") writeFileSync(one, "mine");
        else {
          mkdirSync(one);
          writeFileSync(`${one}/shadow`, "mine");
        }
        symlinkSync(what === "file" ? `${path}/secret/shadow` : `${path}/secret`, other);
        const exchanger = spawn(exchange(), [one, other], { stdio: "inherit" });
        try {
          for (let attempt = 0; attempt < 150; attempt++) {
            const { root } = await make("dir", `${path}/in`, `${path}/R`);
            for (const line of listing(root)) {
              const bytes = /^file .* = \S+ (\S*)$/.exec(line)?.[1];
              if (bytes !== undefined)
                assert.equal(Buffer.from(bytes, "base64").toString(), "mine", `attempt ${attempt}`);
            }
            rmSync(`${path}/R/images/a1`, { recursive: true });
          }
        } finally {
          exchanger.kill("SIGKILL");
        }
      },
    );
}
