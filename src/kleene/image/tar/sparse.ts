import { Refusal } from "../refusal.ts";
import type { ByteReader } from "./bytes.ts";
import { BLOCK_BYTES, number, type TarHeader } from "./header.ts";
import type { Extended } from "./records.ts";

/** Where a file's data belongs: the rest of it is holes. */
export interface SparseMap {
  /** Bytes of the file. */
  readonly size: number;
  readonly parts: readonly SparsePart[];
  /** Bytes of the content that hold the map itself. */
  readonly mapBytes: number;
}

export interface SparsePart {
  readonly offset: number;
  readonly length: number;
}

/** Places in the header of GNU tar's own format, tar(5), and in the blocks that follow it. */
const IN_HEADER = { start: 386, count: 4, more: 482, size: 483 } as const;
const IN_BLOCK = { start: 0, count: 21, more: 504 } as const;
const FIELD_BYTES = 12;
/** Parts that one file may have: some 16 MB in memory. */
const LARGEST_MAP = 1_000_000;

/**
 * The map of a sparse file, in any of GNU tar's forms: in its own header (type S), in pax records (0.0 and 0.1), or at the
 * beginning of the content (1.0). Whatever blocks it takes are read.
 * @returns undefined for a file that is not sparse.
 * @throws {Refusal} for a map that makes no sense.
 */
export async function readSparseMap(
  reader: ByteReader,
  header: TarHeader,
  extended: Extended,
  stored: number,
  what: string,
): Promise<SparseMap | undefined> {
  if (header.type === "S") return checked(await readOldMap(reader, header, what), stored, what);
  const major = extended.text("GNU.sparse.major");
  if (major !== undefined) {
    const minor = extended.text("GNU.sparse.minor") ?? "0";
    if (major !== "1" || minor !== "0")
      throw new Refusal(`${what} is a sparse file of GNU tar's version ${major}.${minor}, which klee does not know`);
    const size = extended.number("GNU.sparse.realsize") ?? Number.NaN;
    return checked({ size, ...(await readMapOfContent(reader, stored, what)) }, stored, what);
  }
  const size = extended.number("GNU.sparse.size");
  if (size === undefined) return undefined;
  return checked({ size, parts: partsOfRecords(extended), mapBytes: 0 }, stored, what);
}

async function readOldMap(reader: ByteReader, { block }: TarHeader, what: string): Promise<SparseMap> {
  const parts = oldParts(block, IN_HEADER);
  for (let more = block[IN_HEADER.more] !== 0; more; ) {
    const next = await reader.exactly(BLOCK_BYTES);
    parts.push(...oldParts(next, IN_BLOCK));
    if (parts.length > LARGEST_MAP) throw broken(what);
    more = next[IN_BLOCK.more] !== 0;
  }
  return { size: number(block, IN_HEADER.size, FIELD_BYTES), parts, mapBytes: 0 };
}

function oldParts(block: Buffer, { start, count }: { readonly start: number; readonly count: number }): SparsePart[] {
  const parts: SparsePart[] = [];
  for (let index = 0; index < count; index++) {
    const at = start + index * 2 * FIELD_BYTES;
    // The list ends with a part of nothing.
    if (block[at] === 0) break;
    parts.push({ offset: number(block, at, FIELD_BYTES), length: number(block, at + FIELD_BYTES, FIELD_BYTES) });
  }
  return parts;
}

/** 0.0 repeats two keywords, 0.1 has one list. */
function partsOfRecords(extended: Extended): SparsePart[] {
  const list = extended.text("GNU.sparse.map");
  const numbers =
    list === undefined
      ? extended.records
          .filter(([keyword]) => keyword === "GNU.sparse.offset" || keyword === "GNU.sparse.numbytes")
          .map(([, value]) => decimal(value.toString("latin1")))
      : list.split(",").map(decimal);
  return inPairs(numbers);
}

/** Lines of one number each: how many parts, then each part's offset and length; padded to whole blocks. */
async function readMapOfContent(
  reader: ByteReader,
  stored: number,
  what: string,
): Promise<{ readonly parts: SparsePart[]; readonly mapBytes: number }> {
  const numbers: number[] = [];
  let mapBytes = 0;
  let rest = "";
  while (numbers[0] === undefined || numbers.length < 1 + 2 * numbers[0]) {
    if (mapBytes + BLOCK_BYTES > stored) throw broken(what);
    rest += (await reader.exactly(BLOCK_BYTES)).toString("latin1");
    mapBytes += BLOCK_BYTES;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    numbers.push(...lines.map(decimal));
    const count = numbers[0] ?? 0;
    if (!(count <= LARGEST_MAP) || rest.length > BLOCK_BYTES) throw broken(what);
  }
  return { parts: inPairs(numbers.slice(1, 1 + 2 * (numbers[0] ?? 0))), mapBytes };
}

const decimal = (text: string): number => (/^\d+$/.test(text) ? Number(text) : Number.NaN);

function inPairs(numbers: readonly number[]): SparsePart[] {
  const parts: SparsePart[] = [];
  for (let index = 0; index < numbers.length; index += 2)
    parts.push({ offset: numbers[index] ?? Number.NaN, length: numbers[index + 1] ?? Number.NaN });
  return parts;
}

/** Parts follow each other, lie within the file, and are together what is stored. */
function checked(map: SparseMap, stored: number, what: string): SparseMap {
  let end = 0;
  let sum = map.mapBytes;
  for (const { offset, length } of map.parts) {
    if (!(offset >= end && Number.isSafeInteger(offset + length))) throw broken(what);
    end = offset + length;
    sum += length;
  }
  if (!Number.isSafeInteger(map.size) || end > map.size || sum !== stored) throw broken(what);
  return map;
}

const broken = (what: string): Refusal => new Refusal(`${what} is a sparse file whose map makes no sense`);
