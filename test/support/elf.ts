const SHT_DYNAMIC = 6;
const SHT_DYNSYM = 11;
const DT_NEEDED = 1n;
const SYMBOL_BYTES = 24;
const PT_INTERP = 3;
const PT_NOTE = 4;

interface Section {
  readonly type: number;
  readonly link: number;
  readonly bytes: Buffer;
}

/** What a loader reads of a 64-bit little-endian ELF file; elf(5). */
export interface Elf {
  readonly machine: number;
  readonly interpreter: string | undefined;
  /** Names of its notes' owners. */
  readonly notes: readonly string[];
  readonly needed: readonly string[];
  /** Symbols of other files that it cannot do without. */
  readonly wanted: readonly string[];
  readonly exported: readonly string[];
}

function stringAt(bytes: Buffer, offset: number): string {
  return bytes.toString("latin1", offset, bytes.indexOf(0, offset));
}

function sections(bytes: Buffer): Section[] {
  const [start, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  return Array.from({ length: count }, (_, index) => start + index * size).map((header) => {
    const [from, length] = [header + 24, header + 32].map((at) => Number(bytes.readBigUInt64LE(at))) as [
      number,
      number,
    ];
    const link = bytes.readUInt32LE(header + 40);
    return { type: bytes.readUInt32LE(header + 4), link, bytes: bytes.subarray(from, from + length) };
  });
}

function segments(bytes: Buffer, type: number): Buffer[] {
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => start + index * size)
    .filter((header) => bytes.readUInt32LE(header) === type)
    .map((header) => {
      const [from, length] = [header + 8, header + 32].map((at) => Number(bytes.readBigUInt64LE(at))) as [
        number,
        number,
      ];
      return bytes.subarray(from, from + length);
    });
}

export function readElf(bytes: Buffer): Elf {
  if (bytes.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") throw new Error("no 64-bit little-endian ELF file");
  const all = sections(bytes);
  const named = (type: number) => {
    const section = all.find((one) => one.type === type);
    const names = section && all[section.link]?.bytes;
    return section && names ? { table: section.bytes, names } : undefined;
  };
  const dynamic = named(SHT_DYNAMIC);
  const needed: string[] = [];
  if (dynamic)
    for (let at = 0; at < dynamic.table.length; at += 16)
      if (dynamic.table.readBigInt64LE(at) === DT_NEEDED)
        needed.push(stringAt(dynamic.names, Number(dynamic.table.readBigUInt64LE(at + 8))));
  const wanted: string[] = [];
  const exported: string[] = [];
  const symbols = named(SHT_DYNSYM);
  if (symbols)
    for (let at = SYMBOL_BYTES; at < symbols.table.length; at += SYMBOL_BYTES) {
      const isWeak = (symbols.table[at + 4] as number) >> 4 === 2;
      const isElsewhere = symbols.table.readUInt16LE(at + 6) === 0;
      const name = stringAt(symbols.names, symbols.table.readUInt32LE(at));
      if (!isElsewhere) exported.push(name);
      else if (!isWeak) wanted.push(name);
    }
  return {
    machine: bytes.readUInt16LE(18),
    interpreter: segments(bytes, PT_INTERP)[0]?.toString("latin1").replace(/\0$/, ""),
    notes: segments(bytes, PT_NOTE).map((note) => stringAt(note, 12)),
    needed,
    wanted,
    exported,
  };
}
