import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { KleeError } from "../../src/kleene/errors.ts";
import { LinuxStorage } from "../../src/kleene/host/linux/storage.ts";
import { needs } from "../support/gate.ts";
import { gnuLongName, paxHeader, tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { listing, temporaryDirectory } from "../support/temporary.ts";

const storage = new LinuxStorage();
const x = Buffer.from("x");
const good = tarEntry({ name: "good", content: Buffer.from("good") });
const whole = tarArchive(good, tarEntry({ name: "last", content: Buffer.alloc(2000, "z") }));

/** The archive of one entry whose size field starts so: tar(5) knows octal digits, and 0x80 or 0xff before a binary number. */
function withSize(entry: Buffer, start: string): Buffer {
  entry.write(start, 124, "latin1");
  entry.fill(" ", 148, 156);
  entry.write(
    `${entry
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0`,
    148,
    "latin1",
  );
  return tarArchive(good, entry);
}

const ociLayout = tarArchive(
  tarEntry({ name: "blobs/sha256/", type: "5" }),
  tarEntry({ name: "index.json", content: Buffer.from('{"schemaVersion":2,"manifests":[]}') }),
  tarEntry({ name: "oci-layout", content: Buffer.from('{"imageLayoutVersion": "1.0.0"}') }),
);
const dockerSave = tarArchive(
  tarEntry({ name: "0123456789ab/layer.tar", content: x }),
  tarEntry({ name: "manifest.json", content: Buffer.from('[{"Config":"x.json","RepoTags":["a:b"],"Layers":[]}]') }),
  tarEntry({ name: "repositories", content: Buffer.from("{}") }),
);

/** Records that do not fit `good`, which has four bytes. */
const brokenMaps = (
  [
    ["whose parts overlap", { size: "100", map: "0,2,1,2" }],
    ["whose parts are more than is stored", { size: "100", map: "0,2,10,3" }],
    ["whose parts are less than is stored", { size: "100", map: "0,2" }],
    ["whose parts lie behind its end", { size: "10", map: "0,2,9,2" }],
    ["with half a part", { size: "10", map: "0,2,5" }],
    ["with a part that is no number", { size: "10", map: "0,2,x,2" }],
    ["without a size", { size: "many", map: "0,4" }],
    ["of more bytes than a file has", { size: "9999999999999999999", map: "0,4" }],
  ] as const
).map(
  ([what, { size, map }]) =>
    [what, tarArchive(paxHeader({ "GNU.sparse.size": size, "GNU.sparse.map": map }), good)] as const,
);

/** What it is, its bytes, and klee's words after the archive's name. */
const refused: readonly (readonly [what: string, bytes: Buffer, reason: string | RegExp])[] = [
  ["a name with .. in front", tarArchive(good, tarEntry({ name: "../x" })), 'entry "../x" leads outside the image'],
  ["a name with .. inside", tarArchive(tarEntry({ name: "a/../../x" })), 'entry "a/../../x" leads outside the image'],
  ["a name with a harmless ..", tarArchive(tarEntry({ name: "a/../x" })), 'entry "a/../x" has ".." in its path'],
  ["a directory ..", tarArchive(tarEntry({ name: "../", type: "5" })), 'entry "../" leads outside the image'],
  [
    "a long name of pax with ..",
    tarArchive(paxHeader({ path: "a/../../x" }), good),
    'entry "a/../../x" leads outside the image',
  ],
  [
    "a long name of GNU tar with ..",
    tarArchive(gnuLongName("../../x"), good),
    'entry "../../x" leads outside the image',
  ],
  ["an absolute name", tarArchive(good, tarEntry({ name: "/etc/x" })), 'entry "/etc/x" has an absolute path'],
  ["an empty name", tarArchive(tarEntry({ name: "" })), 'entry "" has an empty name'],
  ["a name with a NUL", tarArchive(paxHeader({ path: "a\0b" }), good), 'entry "a\\u0000b" has a NUL in its name'],
  [
    "a component too long",
    tarArchive(gnuLongName("n".repeat(256)), good),
    /^entry "n+\.\.\." has a name of more than 255 bytes$/,
  ],
  [
    "a path too long",
    tarArchive(gnuLongName("n/".repeat(2048)), good),
    /^entry "[n/]+\.\.\." has a path of more than 4095 bytes$/,
  ],
  [
    "a path of a million levels",
    tarArchive(gnuLongName("n/".repeat(1_000_000)), good),
    /has a path of more than 4095 bytes$/,
  ],
  [
    "a path too long with the store's",
    tarArchive(gnuLongName("n/".repeat(2045)), good),
    /ENAMETOOLONG \(name too long\)$/,
  ],
  [
    "a root that is a link",
    tarArchive(tarEntry({ name: "./", type: "2", link: "/" })),
    'entry "./" takes the place of the root directory',
  ],
  ["a root that is a file", tarArchive(tarEntry({ name: "." })), 'entry "." takes the place of the root directory'],
  [
    "a link to nothing",
    tarArchive(tarEntry({ name: "l", type: "2", link: "" })),
    'entry "l" is a symbolic link to nothing',
  ],
  [
    "a link to a NUL",
    tarArchive(paxHeader({ linkpath: "a\0" }), tarEntry({ name: "l", type: "2" })),
    'entry "l" is a symbolic link to a name with a NUL',
  ],
  [
    "a link too long",
    tarArchive(gnuLongName("n/".repeat(2048), "K"), tarEntry({ name: "l", type: "2" })),
    'entry "l" is a symbolic link to a path of more than 4095 bytes',
  ],
  [
    "a link with content",
    tarArchive(tarEntry({ name: "l", type: "2", link: "a", content: x })),
    'entry "l" is a symbolic link with content',
  ],
  [
    "a hard link to outside",
    tarArchive(good, tarEntry({ name: "h", type: "1", link: "../../good" })),
    'entry "h" is a hard link to "../../good", which leads outside the image',
  ],
  [
    "an absolute hard link",
    tarArchive(tarEntry({ name: "h", type: "1", link: "/etc/passwd" })),
    'entry "h" is a hard link to "/etc/passwd", which has an absolute path',
  ],
  [
    "a hard link to what is not there",
    tarArchive(good, tarEntry({ name: "h", type: "1", link: "nothing" })),
    'entry "h" is a hard link to "nothing", which is not in the archive before it',
  ],
  [
    "a hard link to itself",
    tarArchive(good, tarEntry({ name: "good", type: "1", link: "good" })),
    'entry "good" is a hard link to "good", which is not in the archive before it',
  ],
  [
    "a hard link to a directory",
    tarArchive(tarEntry({ name: "d", type: "5" }), tarEntry({ name: "h", type: "1", link: "d" })),
    'entry "h" is a hard link to a directory',
  ],
  [
    "a hard link to nowhere",
    tarArchive(tarEntry({ name: "h", type: "1", link: "" })),
    'entry "h" is a hard link to "", which has an empty name',
  ],
  [
    "a hard link with content",
    tarArchive(good, tarEntry({ name: "h", type: "1", link: "good", content: x })),
    'entry "h" is a hard link with content',
  ],
  [
    "a hard link through a link",
    tarArchive(tarEntry({ name: "l", type: "2", link: "/etc" }), tarEntry({ name: "h", type: "1", link: "l/passwd" })),
    'entry "h" is a hard link to "l/passwd", which is not in the archive before it',
  ],
  ["an unknown type", tarArchive(tarEntry({ name: "s", type: "Z" })), 'entry "s" is of a kind that is not supported'],
  [
    "a sparse file of pax",
    tarArchive(paxHeader({ "GNU.sparse.major": "1" }), good),
    'entry "good" is a sparse file whose map makes no sense',
  ],
  ...["/etc", "sub"].flatMap((target): [string, Buffer, string][] => {
    const link = tarEntry({ name: "l", type: "2", link: target });
    const through = 'leads through "l", which is a symbolic link of the archive';
    return [
      [
        `a file through a link to ${target}`,
        tarArchive(link, tarEntry({ name: "l/x", content: x })),
        `entry "l/x" ${through}`,
      ],
      [
        `a directory through a link to ${target}`,
        tarArchive(link, tarEntry({ name: "l/x/", type: "5" })),
        `entry "l/x/" ${through}`,
      ],
      [
        `a deep file through a link to ${target}`,
        tarArchive(link, tarEntry({ name: "l/a/b/x" })),
        `entry "l/a/b/x" ${through}`,
      ],
      [
        `a link through a link to ${target}`,
        tarArchive(link, tarEntry({ name: "l/x", type: "2", link: "a" })),
        `entry "l/x" ${through}`,
      ],
      [
        `a hard link through a link to ${target}`,
        tarArchive(good, link, tarEntry({ name: "l/x", type: "1", link: "good" })),
        `entry "l/x" ${through}`,
      ],
    ];
  }),
  [
    "a file below a file",
    tarArchive(good, tarEntry({ name: "good/x" })),
    'entry "good/x" lies below "good", which is a file',
  ],
  ...(
    [
      ["file", "link"],
      ["file", "directory"],
      ["link", "file"],
      ["link", "directory"],
      ["directory", "file"],
      ["directory", "link"],
    ] as const
  ).map(([first, second]): [string, Buffer, string] => {
    const kinds = {
      file: tarEntry({ name: "t", content: x }),
      link: tarEntry({ name: "t", type: "2", link: "/etc" }),
      directory: tarEntry({ name: "t", type: "5" }),
    };
    return [
      `a ${first} that turns into a ${second}`,
      tarArchive(kinds[first], kinds[second]),
      'entry "t" appears twice, as different kinds of file',
    ];
  }),
  ["a negative owner", tarArchive(paxHeader({ uid: "-1" }), good), 'entry "good" has an owner that is not a number'],
  [
    "an owner that chown(2) takes for none",
    tarArchive(paxHeader({ gid: "4294967295" }), good),
    'entry "good" has an owner that is not a number',
  ],
  [
    "a time that is none",
    tarArchive(paxHeader({ mtime: "soon" }), good),
    'entry "good" has a time that is not a number',
  ],
  ["a size that is none", tarArchive(paxHeader({ size: "-5" }), good), 'entry "good" has a size that is not a number'],
  [
    "a size of another encoding",
    withSize(tarEntry({ name: "h", type: "1", link: "good" }), "\xc6"),
    'entry "h" has a size that is not a number',
  ],
  [
    "a size beyond the archive",
    tarArchive(good, tarEntry({ name: "f", content: x, size: 1_000_000 })),
    'truncated in entry "f"',
  ],
  ["an archive cut in a file", whole.subarray(0, 512 * 3 + 700), 'truncated in entry "last"'],
  ["an archive cut in a header", whole.subarray(0, 512 * 2 + 100), 'truncated in entry "good"'],
  ["an archive cut between entries", whole.subarray(0, 1024), 'truncated after entry "good"'],
  ["an archive cut before its end", whole.subarray(0, -1024), 'truncated after entry "last"'],
  ["gzip data cut short", gzipSync(whole).subarray(0, -20), /^truncated/],
  ["gzip of an archive cut short", gzipSync(whole.subarray(0, 1024)), 'truncated after entry "good"'],
  [
    "damaged gzip data",
    Buffer.concat([gzipSync(whole).subarray(0, -8), Buffer.alloc(8)]),
    "damaged gzip data: incorrect data check",
  ],
  ["a wrong checksum", tarArchive(good, tarEntry({ name: "f", checksum: 1 })), 'damaged after entry "good"'],
  [
    "a header of 17 MB",
    tarArchive(tarEntry({ name: "p", type: "x", size: 17_000_000 }), good),
    "an extended header of more than 16777216 bytes",
  ],
  [
    "records that are none",
    tarArchive(tarEntry({ name: "p", type: "x", content: Buffer.from("9 a=b\n") }), good),
    "not a tar archive",
  ],
  [
    "a file below what is left out",
    tarArchive(tarEntry({ name: "d", type: "3" }), tarEntry({ name: "d/x" })),
    'entry "d/x" lies below "d", which is left out',
  ],
  [
    "a file that becomes a device",
    tarArchive(good, tarEntry({ name: "good", type: "4" })),
    'entry "good" appears twice, as different kinds of file',
  ],
  [
    "an OCI image layout",
    ociLayout,
    /^an OCI image layout, which klee does not read: give the archive of a root file system/,
  ],
  ["an archive of docker save", dockerSave, /^an archive of 'docker save', which klee does not read: give the archive/],
  ...brokenMaps.map(([what, bytes]): [string, Buffer, string] => [
    `a sparse file ${what}`,
    bytes,
    'entry "good" is a sparse file whose map makes no sense',
  ]),
  [
    "a sparse file of a version to come",
    tarArchive(paxHeader({ "GNU.sparse.major": "2", "GNU.sparse.minor": "0" }), good),
    'entry "good" is a sparse file of GNU tar\'s version 2.0, which klee does not know',
  ],
  ["text", Buffer.from("hello, this is no archive\n".repeat(100)), "not a tar archive"],
  ["a short text", x, "not a tar archive, or truncated"],
  ["an empty file", Buffer.alloc(0), "the archive is empty, or not a tar archive"],
  ["zeros", Buffer.alloc(10_240), "the archive is empty, or not a tar archive"],
  ["gzip of text", gzipSync("hello\n".repeat(1000)), "not a tar archive"],
  ["brotli data", brotliCompressSync(whole), /^not a tar archive/],
  [
    "damaged xz data",
    Buffer.from(`fd377a585a000004e6d6b446${"00".repeat(600)}`, "hex"),
    "damaged or truncated xz data",
  ],
  ["truncated xz data", Buffer.from("fd377a585a000004e6d6b446", "hex"), "damaged or truncated xz data"],
  [
    "zstd data",
    Buffer.from("28b52ffd0458", "hex"),
    "zstd data, which klee does not read: decompress it first (unzstd)",
  ],
  ["bzip2 data", Buffer.from("BZh91AY&SY"), "bzip2 data, which klee does not read: decompress it first (bunzip2)"],
  ["a zip archive", Buffer.from("PK\x03\x04\x14"), "zip data, which klee does not read: make it a tar archive"],
  [
    "a name with escape sequences",
    tarArchive(tarEntry({ name: "/\x1b[2J\u009b\u202ex\n" })),
    'entry "/\\u001b[2J\\u009b\\u202ex\\n" has an absolute path',
  ],
];

for (const [what, bytes, reason] of refused) {
  test(`refused whole: ${what}`, needs("root"), async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/a.tar`;
    mkdirSync(`${directory.path}/R/images/neighbour`, { recursive: true });
    writeFileSync(file, bytes);
    writeFileSync(`${directory.path}/good`, "untouched");
    const before = listing(directory.path).filter((line) => !line.endsWith(" R/images"));
    await assert.rejects(storage.createImage(`${directory.path}/R`, "a1", { method: "tar", source: file }), (error) => {
      assert.ok(error instanceof KleeError, String(error));
      assert.equal(error.code, "HOST");
      const start = `image creation failed: ${file}: `;
      assert.equal(error.message.slice(0, start.length), start);
      if (typeof reason === "string") assert.equal(error.message.slice(start.length), reason);
      else assert.match(error.message.slice(start.length), reason);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    assert.deepEqual(readdirSync(`${directory.path}/R/images`), ["neighbour"]);
    assert.deepEqual(
      listing(directory.path).filter((line) => !line.endsWith(" R/images")),
      before,
    );
  });
}

test("what cannot be opened is said in one line", needs("root"), async () => {
  using directory = temporaryDirectory();
  const root = `${directory.path}/R`;
  for (const [source, reason] of [
    [`${directory.path}/nothing`, "open: ENOENT (no such file or directory)"],
    [directory.path, "a directory, not an archive"],
  ] as const) {
    await assert.rejects(storage.createImage(root, "a1", { method: "tar", source }), {
      name: "KleeError",
      code: "HOST",
      message: `image creation failed: ${source}: ${reason}`,
    });
    assert.deepEqual(readdirSync(`${root}/images`), []);
  }
});

test("absolute targets of symbolic links are no reason to refuse", needs("root"), async () => {
  using directory = temporaryDirectory();
  const file = `${directory.path}/a.tar`;
  writeFileSync(
    file,
    tarArchive(
      tarEntry({ name: "bin", type: "2", link: "/usr/bin" }),
      tarEntry({ name: "a/b/l", type: "2", link: "../../c" }),
      tarEntry({ name: "up", type: "2", link: "/../../etc/passwd" }),
    ),
  );
  const root = await storage.createImage(`${directory.path}/R`, "a1", { method: "tar", source: file });
  assert.deepEqual(readdirSync(root).sort(), ["a", "bin", "up"]);
});
