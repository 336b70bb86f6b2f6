import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { KleeError } from "../../src/kleene/errors.ts";
import { LinuxStorage } from "../../src/kleene/host/linux/storage.ts";
import { needs } from "../support/gate.ts";
import { gnuLongName, paxHeader, tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { listing, temporaryDirectory } from "../support/temporary.ts";

const storage = new LinuxStorage();

/** Few different components, so that entries meet: repeat each other, lie below each other, link to each other. */
const component = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom("a", "b", "l", "a", "b", "l", ".", "") },
  { weight: 2, arbitrary: fc.constant("..") },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom("x".repeat(256), "\0", "\n", "ä", "\\", "C:", "~", "$HOME", "*") },
);
const name = fc
  .tuple(
    fc.constantFrom("", "", "", "", "", "./", "./", "/", "../"),
    fc.array(component, { maxLength: 6 }),
    fc.constantFrom("", "/"),
  )
  .map(([start, components, end]) => start + components.join("/") + end);

const entry = fc
  .record({
    name,
    link: name,
    type: fc.constantFrom("0", "0", "5", "5", "2", "2", "1", "1", "7", "3", "6"),
    encoding: fc.constantFrom("plain", "plain", "pax", "gnu"),
    content: fc.uint8Array({ maxLength: 600 }),
    mode: fc.nat({ max: 0o7777 }),
  })
  .map(({ name, link, type, encoding, content, mode }) => {
    const body = type === "0" || type === "7" ? Buffer.from(content) : Buffer.alloc(0);
    const header = tarEntry({ name, link, type, mode, content: body });
    if (encoding === "pax") return Buffer.concat([paxHeader({ path: name, linkpath: link }), header]);
    if (encoding === "gnu") return Buffer.concat([gnuLongName(name), gnuLongName(link, "K"), header]);
    return header;
  });

/** Makes an image in a store of its own. Checks that the outcome is an image or one error, and nothing else changed. */
async function checkOutcome(directory: string, archive: Buffer): Promise<"image" | "refused"> {
  const root = `${directory}/inner/R`;
  const file = `${directory}/inner/a.tar`;
  rmSync(`${directory}/inner`, { recursive: true, force: true });
  mkdirSync(`${root}/images`, { recursive: true });
  writeFileSync(file, archive);
  writeFileSync(`${directory}/inner/good`, "untouched");
  // The directory that gains the image has its time changed by that.
  const surroundings = (): string[] =>
    listing(directory).filter((line) => !/ inner\/R\/images(\/|$)/.test(line) && !line.includes(" a.tar"));
  const before = surroundings();
  let outcome: "image" | "refused" = "image";
  try {
    await storage.createImage(root, "a1", { method: "tar", source: file });
    assert.deepEqual(readdirSync(`${root}/images`), ["a1"]);
    await storage.removeImage(root, "a1");
  } catch (error) {
    if (!(error instanceof KleeError)) throw error;
    assert.equal(error.code, "HOST");
    assert.match(error.message, /^image creation failed: [^\n]+$/);
    outcome = "refused";
  }
  assert.deepEqual(readdirSync(`${root}/images`), []);
  assert.deepEqual(surroundings(), before);
  return outcome;
}

test(
  "whatever names an archive has, it becomes an image or one error, and nothing outside changes",
  needs("root"),
  async () => {
    using directory = temporaryDirectory();
    const outcomes = { image: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), async (entries) => {
        outcomes[await checkOutcome(directory.path, tarArchive(...entries))]++;
      }),
      { numRuns: 600 },
    );
    assert.ok(outcomes.image > 20 && outcomes.refused > 20, JSON.stringify(outcomes));
  },
);

const sample = tarArchive(
  tarEntry({ name: "./", type: "5", mode: 0o755 }),
  paxHeader({ path: "d/long", mtime: "1.5" }),
  tarEntry({ name: "d/l", content: Buffer.alloc(1500, "c") }),
  tarEntry({ name: "s", type: "2", link: "d/long" }),
  gnuLongName("d/another"),
  tarEntry({ name: "d/a", content: Buffer.alloc(10) }),
  tarEntry({ name: "h", type: "1", link: "d/long" }),
);
const SAMPLE_END = sample.length - 1024;

test("an archive cut anywhere before its end is refused", needs("root"), async () => {
  using directory = temporaryDirectory();
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: SAMPLE_END + 511 }), fc.boolean(), async (length, gzip) => {
      const cut = sample.subarray(0, length);
      assert.equal(await checkOutcome(directory.path, gzip ? gzipSync(cut) : cut), "refused");
    }),
    { numRuns: 200 },
  );
});

test("damaged bytes anywhere give an image or one error", needs("root"), async () => {
  using directory = temporaryDirectory();
  const damage = fc.array(fc.tuple(fc.nat({ max: sample.length - 1 }), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(damage, fc.boolean(), fc.boolean(), async (changes, gzipFirst, valid) => {
      const bytes = gzipFirst ? gzipSync(sample) : Buffer.from(sample);
      for (const [offset, value] of changes) bytes[offset % bytes.length] = value;
      if (valid && !gzipFirst) correctChecksums(bytes);
      await checkOutcome(directory.path, bytes);
    }),
    { numRuns: 400 },
  );
});

/** Headers of damaged fields get past the checksum. */
function correctChecksums(bytes: Buffer): void {
  for (let offset = 0; offset + 512 <= bytes.length; offset += 512) {
    const block = bytes.subarray(offset, offset + 512);
    if (block.toString("latin1", 257, 262) !== "ustar") continue;
    block.fill(" ", 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
}
