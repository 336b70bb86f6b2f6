import { createRequire } from "node:module";
import { ReadableStream } from "node:stream/web";
import { createGunzip, type Gunzip } from "node:zlib";
import { Refusal } from "./refusal.ts";

const require = createRequire(import.meta.filename ?? __filename);

/** First bytes of the files that are taken for archives, as file(1) knows them. */
const FORMATS: readonly (readonly [name: string, remedy: string, magic: readonly number[]])[] = [
  ["zstd", "decompress it first (unzstd)", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", "decompress it first (bunzip2)", [0x42, 0x5a, 0x68]],
  ["lz4", "decompress it first (unlz4)", [0x04, 0x22, 0x4d, 0x18]],
  ["lzip", "decompress it first (lzip -d)", [0x4c, 0x5a, 0x49, 0x50]],
  ["compress", "decompress it first (uncompress)", [0x1f, 0x9d]],
  ["zip", "make it a tar archive", [0x50, 0x4b, 0x03, 0x04]],
];
const GZIP = [0x1f, 0x8b];
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
/** Place and text of a tar header's own mark, tar(5): an archive's first entry may well be named `BZh`. */
const TAR_MARK_OFFSET = 257;
const TAR_MARK = [0x75, 0x73, 0x74, 0x61, 0x72];

const CHUNK_BYTES = 256 * 1024;

/** Bytes of a file that `decompressor` has to see. */
export const HEAD_BYTES = 512;

/**
 * The bytes of a file without its compression.
 * @param head the file's first bytes, which `chunks` has as well.
 * @throws {Refusal} for a compression other than gzip and xz, by name.
 */
export function decompressed(head: Buffer, chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  if (startsWith(head.subarray(TAR_MARK_OFFSET), TAR_MARK)) return chunks;
  if (startsWith(head, GZIP)) return undoGzip(chunks);
  if (startsWith(head, XZ)) return undoXz(chunks);
  for (const [name, remedy, magic] of FORMATS) {
    if (startsWith(head, magic)) throw new Refusal(`${name} data, which klee does not read: ${remedy}`);
  }
  return chunks;
}

const startsWith = (bytes: Buffer, magic: readonly number[]): boolean =>
  magic.every((byte, index) => bytes[index] === byte);

/** What follows the compressed data and begins with a NUL is padding, as for gzip(1): programs fill up whole records. */
async function* undoGzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const fed = feed(gunzip, chunks);
  // Awaited below; without this a failure that comes first would count as unhandled.
  fed.catch((error: Error) => gunzip.destroy(error));
  try {
    yield* gunzip;
    await fed;
  } finally {
    gunzip.destroy();
  }
}

async function feed(gunzip: Gunzip, chunks: AsyncIterable<Buffer>): Promise<void> {
  let ended = false;
  gunzip.once("end", () => {
    ended = true;
  });
  for await (const chunk of chunks) {
    if (ended) continue;
    if (gunzip.destroyed) return;
    if (!gunzip.write(chunk)) await firstOf(gunzip, ["drain", "end", "close"]);
  }
  if (!ended) gunzip.end();
}

function firstOf(emitter: Gunzip, events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const happened = (): void => {
      for (const event of events) emitter.off(event, happened);
      resolve();
    };
    for (const event of events) emitter.on(event, happened);
  });
}

/** By WebAssembly: some 40 MB a second. Loaded on demand. */
async function* undoXz(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { XzReadableStream } = require("xz-decompress") as typeof import("xz-decompress");
  try {
    for await (const chunk of new XzReadableStream(ReadableStream.from(chunks))) yield Buffer.from(chunk);
  } catch (error) {
    // It gives a number and no reason.
    throw new Refusal("damaged or truncated xz data", { cause: error });
  }
}
