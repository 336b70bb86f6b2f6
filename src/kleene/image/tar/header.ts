/** Bytes of a header, and what content is padded to: tar(5). */
export const BLOCK_BYTES = 512;

const CHECKSUM = { start: 148, end: 156 } as const;
/** GNU tar has blanks in place of the NUL, and other things where ustar has a prefix. */
const USTAR = "ustar\0";

/** A header's fields; names are strings of one character for each byte. A number that is none is NaN. */
export interface TarHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** The type flag; of archives older than ustar, NUL is a file. */
  readonly type: string;
  readonly link: string;
  /** All of it, for what only GNU tar has. */
  readonly block: Buffer;
}

export const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0);

/** Reads a header; undefined for a block that is none. */
export function decodeHeader(block: Buffer): TarHeader | undefined {
  if (!hasChecksum(block)) return undefined;
  const magic = block.toString("latin1", 257, 265);
  const name = text(block, 0, 100);
  // star(1) keeps two times in the end of the prefix.
  const prefix = magic.startsWith(USTAR) ? text(block, 345, block.toString("latin1", 508) === "tar\0" ? 131 : 155) : "";
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    type: block.toString("latin1", 156, 157),
    link: text(block, 157, 100),
    block,
  };
}

/** Some old programs added up signed bytes. */
function hasChecksum(block: Buffer): boolean {
  const wanted = number(block, CHECKSUM.start, CHECKSUM.end - CHECKSUM.start);
  let unsigned = 0;
  let signed = 0;
  for (const [at, byte] of block.entries()) {
    const counted = at >= CHECKSUM.start && at < CHECKSUM.end ? 0x20 : byte;
    unsigned += counted;
    signed += counted > 127 ? counted - 256 : counted;
  }
  return wanted === unsigned || wanted === signed;
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.toString("latin1", start, start + length);
  const end = field.indexOf("\0");
  return end === -1 ? field : field.slice(0, end);
}

/** Octal digits, blanks around them; or, after 0x80 or 0xff, a binary number in two's complement. NaN for all else. */
export function number(block: Buffer, start: number, length: number): number {
  const field = block.subarray(start, start + length);
  const first = field[0];
  if (first === 0x80 || first === 0xff) {
    const binary = BigInt(`0x${field.subarray(1).toString("hex")}`);
    return Number(first === 0x80 ? binary : binary - (1n << BigInt(8 * (length - 1))));
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text(block, start, length))?.[1];
  return digits === undefined ? Number.NaN : digits === "" ? 0 : Number.parseInt(digits, 8);
}
