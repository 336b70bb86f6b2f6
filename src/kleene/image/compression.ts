import { createRequire } from "node:module";
import { Duplex } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { createGunzip } from "node:zlib";
import { Refusal } from "./refusal.ts";

const require = createRequire(import.meta.filename);

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
 * The stream that undoes a file's compression, or undefined when it has none.
 * @param head the file's first bytes.
 * @throws {Refusal} for a compression other than gzip and xz, by name.
 */
export function decompressor(head: Buffer): Duplex | undefined {
  if (startsWith(head.subarray(TAR_MARK_OFFSET), TAR_MARK)) return undefined;
  if (startsWith(head, GZIP)) return createGunzip({ chunkSize: CHUNK_BYTES });
  if (startsWith(head, XZ)) return Duplex.from(undoXz);
  for (const [name, remedy, magic] of FORMATS) {
    if (startsWith(head, magic)) throw new Refusal(`${name} data, which klee does not read: ${remedy}`);
  }
  return undefined;
}

const startsWith = (bytes: Buffer, magic: readonly number[]): boolean =>
  magic.every((byte, index) => bytes[index] === byte);

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
