import { addressOf } from "../library.ts";
import { writeCString, zeroed } from "../struct.ts";
import { iovec } from "./abi/uio.ts";

/** One option of jail_set(2), jail_get(2) or nmount(2). */
export interface IovPair {
  readonly name: string;
  /** Bytes of the value, or room for the kernel's answer; empty for an option without a value. */
  readonly value: Buffer;
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
  readonly parts: readonly { readonly offset: number; readonly length: number }[];
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
  const parts: { offset: number; length: number; data: string | Buffer }[] = [];
  let end = 2 * pairs.length * iovec.size;
  const add = (data: string | Buffer, length: number): void => {
    parts.push({ offset: end, length, data });
    end += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  };
  for (const { name, value } of pairs) {
    add(name, Buffer.byteLength(name) + 1);
    add(value, value.length);
  }
  const memory = zeroed(end);
  // In halves, since the sums of bigints take longer than all the rest.
  const base = place(memory);
  const [low, high] = [Number(base & LOW_HALF), Number(base >> HALF_BITS)];
  let at = 0;
  for (const { offset, length, data } of parts) {
    if (typeof data === "string") writeCString(memory, offset, length, data, "option name");
    else memory.set(data, offset);
    if (length > 0) {
      const sum = low + offset;
      memory.writeUInt32LE(sum >>> 0, at + BASE);
      memory.writeUInt32LE(high + (sum > MAX_HALF ? 1 : 0), at + BASE + HALF_BYTES);
    }
    memory.writeUInt32LE(length, at + LENGTH);
    at += iovec.size;
  }
  return { memory, count: parts.length, parts };
}

/** The value of option `index` (0 is the first) as it is in memory, after the call the kernel's answer. */
export function valueAt(iov: IovMemory, index: number): Buffer {
  const part = iov.parts[2 * index + 1];
  return part === undefined ? Buffer.alloc(0) : iov.memory.subarray(part.offset, part.offset + part.length);
}

/** The length the kernel wrote back for the value of option `index`, in bytes. */
export function lengthAt(iov: IovMemory, index: number): number {
  return Number(iovec.decode(iov.memory, (2 * index + 1) * iovec.size).iov_len);
}
