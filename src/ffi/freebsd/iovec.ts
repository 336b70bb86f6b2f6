import { addressOf } from "../library.ts";
import { encodeCString } from "../struct.ts";
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

/**
 * Lays out options for a call. An empty value becomes a null pointer, as these calls want for options without one.
 *
 * @param place gives the address at which the finished memory lies.
 * @throws {FieldError} when a name holds a NUL.
 */
export function layOutIovec(
  pairs: readonly IovPair[],
  place: (memory: Buffer) => bigint = (memory) => addressOf(memory),
): IovMemory {
  const buffers = pairs.flatMap(({ name, value }) => [encodeCString(name, "option name"), value]);
  let end = buffers.length * iovec.size;
  const parts = buffers.map(({ length }) => {
    const offset = end;
    end += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    return { offset, length };
  });
  const memory = Buffer.alloc(end);
  const base = place(memory);
  for (const [index, buffer] of buffers.entries()) {
    const offset = parts[index]?.offset ?? 0;
    buffer.copy(memory, offset);
    iovec.write(
      memory,
      index * iovec.size,
      { iov_base: buffer.length === 0 ? 0n : base + BigInt(offset), iov_len: BigInt(buffer.length) },
      iovec.cName,
    );
  }
  return { memory, count: buffers.length, parts };
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
