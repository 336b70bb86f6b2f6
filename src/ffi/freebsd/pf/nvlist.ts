/**
 * Name-value lists as libnv packs them, nv(9), in little-endian form: what the `NV` ioctls of pf take and give. Packing by
 * hand needs no library; libnv's name and version differ between releases.
 */
import { decodeCString, encodeCString, FieldError } from "../../struct.ts";

/** A value of a list. Numbers are unsigned and of 64 bits. */
export type NvValue = bigint | string | boolean | Uint8Array | readonly bigint[] | NvList;
export type NvList = { readonly [name: string]: NvValue };

// sys/nv.h and the file format in sys/contrib/libnv/nvlist.c, nvpair.c.
const NVLIST_HEADER_MAGIC = 0x6c;
const HEADER_SIZE = 19;
const NV_TYPE_NULL = 1;
const NV_TYPE_BOOL = 2;
const NV_TYPE_NUMBER = 3;
const NV_TYPE_STRING = 4;
const NV_TYPE_NVLIST = 5;
const NV_TYPE_BINARY = 7;
const NV_TYPE_NUMBER_ARRAY = 9;
const NV_TYPE_NVLIST_ARRAY = 11;
const NV_TYPE_NVLIST_ARRAY_NEXT = 254;
const NV_TYPE_NVLIST_UP = 255;
const NUMBER_SIZE = 8;

function numbers(values: readonly bigint[]): Buffer {
  const data = Buffer.alloc(values.length * NUMBER_SIZE);
  for (const [index, value] of values.entries()) data.writeBigUInt64LE(BigInt.asUintN(64, value), index * NUMBER_SIZE);
  return data;
}

function pair(type: number, name: string, data: Buffer, size = data.length, items = 0): Buffer {
  const encodedName = encodeCString(name, "nvlist name");
  const head = Buffer.alloc(HEADER_SIZE);
  head.writeUInt8(type, 0);
  head.writeUInt16LE(encodedName.length, 1);
  head.writeBigUInt64LE(BigInt(size), 3);
  head.writeBigUInt64LE(BigInt(items), 11);
  return Buffer.concat([head, encodedName, data]);
}

function packValue(name: string, value: NvValue): Buffer {
  if (typeof value === "bigint") return pair(NV_TYPE_NUMBER, name, numbers([value]));
  if (typeof value === "string") return pair(NV_TYPE_STRING, name, encodeCString(value, name));
  if (typeof value === "boolean") return pair(NV_TYPE_BOOL, name, Buffer.of(value ? 1 : 0));
  if (value instanceof Uint8Array) return pair(NV_TYPE_BINARY, name, Buffer.from(value));
  if (isNumbers(value)) {
    return pair(NV_TYPE_NUMBER_ARRAY, name, numbers(value), value.length * NUMBER_SIZE, value.length);
  }
  const child = packBody(value);
  const up = pair(NV_TYPE_NVLIST_UP, "", Buffer.alloc(0));
  return pair(NV_TYPE_NVLIST, name, Buffer.concat([listHeader(), child, up]), HEADER_SIZE + child.length);
}

const isNumbers = (value: NvList | readonly bigint[]): value is readonly bigint[] => Array.isArray(value);

function packBody(list: NvList): Buffer {
  return Buffer.concat(Object.entries(list).map(([name, value]) => packValue(name, value)));
}

/** A list's header; its size is filled in when the whole is known. */
function listHeader(): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt8(NVLIST_HEADER_MAGIC, 0);
  return header;
}

/** Packs a list. The size in a list's header counts all bytes after it, of a nested one those of its parents too. */
export function packNvlist(list: NvList): Buffer {
  const packed = Buffer.concat([listHeader(), packBody(list)]);
  fillSizes(packed, 0);
  return packed;
}

/** Offset of a pair's data, and what its head says. */
function pairAt(packed: Buffer, at: number) {
  if (at + HEADER_SIZE > packed.length) throw new FieldError(`nvlist: cut off at byte ${at}`);
  const nameSize = packed.readUInt16LE(at + 1);
  const size = Number(packed.readBigUInt64LE(at + 3));
  const start = at + HEADER_SIZE + nameSize;
  return {
    type: packed.readUInt8(at),
    name: decodeCString(packed.subarray(at + HEADER_SIZE, start)),
    size,
    items: Number(packed.readBigUInt64LE(at + 11)),
    start,
  };
}

function fillSizes(packed: Buffer, headerAt: number): void {
  packed.writeBigUInt64LE(BigInt(packed.length - headerAt - HEADER_SIZE), headerAt + 11);
  for (let at = headerAt + HEADER_SIZE; at < packed.length; ) {
    const { type, size, start } = pairAt(packed, at);
    if (type === NV_TYPE_NVLIST_UP) return;
    if (type === NV_TYPE_NVLIST) {
      fillSizes(packed, start);
      at = start + size + HEADER_SIZE + 1;
    } else at = start + size;
  }
}

/** Reads a packed list. Descriptors and arrays other than of numbers are passed over. @throws {FieldError} */
export function unpackNvlist(packed: Buffer): NvList {
  return unpackAt(packed, 0).list;
}

function unpackAt(packed: Buffer, headerAt: number): { list: NvList; end: number } {
  if (packed.readUInt8(headerAt) !== NVLIST_HEADER_MAGIC) throw new FieldError(`nvlist: no header at byte ${headerAt}`);
  const list: Record<string, NvValue> = {};
  for (let at = headerAt + HEADER_SIZE; at < packed.length; ) {
    const { type, name, size, items, start } = pairAt(packed, at);
    const data = packed.subarray(start, start + size);
    at = start + size;
    if (type === NV_TYPE_NVLIST_UP || type === NV_TYPE_NVLIST_ARRAY_NEXT) return { list, end: at };
    if (type === NV_TYPE_BOOL) list[name] = data[0] === 1;
    else if (type === NV_TYPE_NUMBER) list[name] = data.readBigUInt64LE(0);
    else if (type === NV_TYPE_STRING) list[name] = decodeCString(data);
    else if (type === NV_TYPE_BINARY) list[name] = Buffer.from(data);
    else if (type === NV_TYPE_NUMBER_ARRAY) {
      list[name] = Array.from({ length: items }, (_, index) => data.readBigUInt64LE(index * NUMBER_SIZE));
    } else if (type === NV_TYPE_NVLIST) {
      const child = unpackAt(packed, start);
      list[name] = child.list;
      at = child.end;
    } else if (type === NV_TYPE_NVLIST_ARRAY) {
      // Elements follow one another, each up to its NEXT pair; their sizes are not in the array's own.
      at = start;
      for (let index = 0; index < items; index++) at = unpackAt(packed, at).end;
    } else if (type === NV_TYPE_NULL) at = start;
  }
  return { list, end: packed.length };
}
