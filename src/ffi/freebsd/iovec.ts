import { addressOf } from "../library.ts";
import { writeCString, zeroed } from "../struct.ts";
import { iovec } from "./abi/uio.ts";

/** One option of jail_set(2), jail_get(2) or nmount(2). */
export interface IovPair {
  readonly name: string;
  /** Bytes of the value; empty for an option without one. */
  readonly value: Buffer;
  /** Instead of a value: how many bytes of zeros to keep for the kernel's answer. */
  readonly room?: number;
}

const NOTHING = Buffer.alloc(0);

/** Room for the kernel's answer, or for its message (`errmsg`); none asks for the length only. */
export function room(name: string, bytes: number): IovPair {
  return { name, value: NOTHING, room: bytes };
}

/**
 * The options in the form of the call: an iovec array, followed in the same memory by what it points to, so that the
 * one Buffer handed to the call keeps all of it alive.
 */
export interface IovMemory {
  readonly memory: Buffer;
  /** Number of iovecs, two for each option. */
  readonly count: number;
  /** Where the names and values lie in `memory`, in the order of the iovecs. */
  readonly parts: readonly IovPart[];
}

/** One name or value, and where it lies. */
export interface IovPart {
  readonly offset: number;
  readonly length: number;
}

const ALIGNMENT = 8;
const BASE = iovec.fields.iov_base[0];
const LENGTH = iovec.fields.iov_len[0];
/** Of 64 bits. */
const HALF_BYTES = 4;
const HALF_BITS = 32n;
const LOW_HALF = 0xffffffffn;
const MAX_HALF = 0xffffffff;

/**
 * Lays out options for a call. An empty value becomes a null pointer, as these calls want for options without one.
 *
 * @param place gives the address at which the finished memory lies.
 * @throws {FieldError} when a name holds a NUL.
 */
export function layOutIovec(pairs: readonly IovPair[], place: (memory: Buffer) => bigint = addressOf): IovMemory {
  const memory = zeroed(pairs.reduce(addSize, 2 * pairs.length * iovec.size));
  const base = place(memory);
  const parts: IovPart[] = [];
  let end = 2 * pairs.length * iovec.size;
  for (const { name, value, room } of pairs) {
    const named = { offset: end, length: nameLength(name) };
    const valued = { offset: named.offset + align(named.length), length: room ?? value.length };
    end = valued.offset + align(valued.length);
    writeCString(memory, named.offset, named.length, name, "option name");
    if (room === undefined) memory.set(value, valued.offset);
    parts.push(named, valued);
  }
  writeIovecs(memory, base, parts);
  return { memory, count: parts.length, parts };
}

const nameLength = (name: string): number => Buffer.byteLength(name) + 1;
const align = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;
const addSize = (size: number, { name, value, room }: IovPair): number =>
  size + align(nameLength(name)) + align(room ?? value.length);

/** By halves of an address, since adding bigints takes longer than all the rest. */
function writeIovecs(memory: Buffer, base: bigint, parts: readonly IovPart[]): void {
  const low = Number(base & LOW_HALF);
  const high = Number(base >> HALF_BITS);
  let at = 0;
  for (const { offset, length } of parts) {
    if (length > 0) {
      const sum = low + offset;
      memory.writeUInt32LE(sum >>> 0, at + BASE);
      memory.writeUInt32LE(sum > MAX_HALF ? high + 1 : high, at + BASE + HALF_BYTES);
    }
    memory.writeUInt32LE(length, at + LENGTH);
    at += iovec.size;
  }
}

/** The value of option `index` (0 is the first) as it is in memory, after the call the kernel's answer. */
export function valueAt(iov: IovMemory, index: number): Buffer {
  const part = iov.parts[2 * index + 1];
  return part === undefined ? Buffer.alloc(0) : iov.memory.subarray(part.offset, part.offset + part.length);
}

/** The length the kernel wrote back for the value of option `index`, in bytes. */
export function lengthAt(iov: IovMemory, index: number): number {
  return Number(iovec.decodeField("iov_len", iov.memory, (2 * index + 1) * iovec.size));
}
