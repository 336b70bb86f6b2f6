/** What the bindings of files have in common on every system. Paths and names are bytes, and have no encoding. */

const NANOSECONDS = 1_000_000_000n;

/** A part of a file that has data; what lies between such parts is holes, which read as zeros. */
export interface DataPart {
  readonly start: number;
  readonly end: number;
}

/** A name or path as C takes it. @throws {RangeError} for one with a NUL, which would be cut there. */
export function cBytes(bytes: Uint8Array): Buffer {
  if (bytes.includes(0)) throw new RangeError("a NUL is in a file's name");
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

/** The two `struct timespec` of utimensat(2), both the same time, in nanoseconds since 1970; before that it is negative. */
export function timespecs(nanoseconds: bigint): Buffer {
  const times = Buffer.alloc(32);
  const rest = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  for (const at of [0, 16]) {
    times.writeBigInt64LE((nanoseconds - rest) / NANOSECONDS, at);
    times.writeBigInt64LE(rest, at + 8);
  }
  return times;
}

/** An offset in memory, as calls take it that move it on. */
export function offsetCell(offset: number): Buffer {
  const cell = Buffer.alloc(8);
  cell.writeBigInt64LE(BigInt(offset));
  return cell;
}
