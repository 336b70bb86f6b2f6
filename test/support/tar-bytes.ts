const BLOCK = 512;

/** One header of tar(5), field by field; nothing is checked, so that hostile ones can be made. */
export interface TarHeader {
  readonly name: string;
  /** Type flag; default a regular file. */
  readonly type?: string;
  readonly link?: string;
  readonly content?: Buffer;
  /** Default: the content's size. */
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** Default: that of ustar. */
  readonly magic?: string;
  readonly checksum?: number;
}

/** Header and content of an entry, padded to whole blocks. Names are cut at 100 bytes, as the field is. */
export function tarEntry(header: TarHeader): Buffer {
  const content = header.content ?? Buffer.alloc(0);
  const block = Buffer.alloc(BLOCK);
  Buffer.from(header.name).copy(block, 0, 0, 100);
  octal(block, 100, 8, header.mode ?? 0o644);
  octal(block, 108, 8, header.uid ?? 0);
  octal(block, 116, 8, header.gid ?? 0);
  octal(block, 124, 12, header.size ?? content.length);
  octal(block, 136, 12, header.mtime ?? 0);
  block.write(header.type ?? "0", 156, "latin1");
  Buffer.from(header.link ?? "").copy(block, 157, 0, 100);
  block.write(header.magic ?? "ustar\x0000", 257, "latin1");
  block.fill(" ", 148, 156);
  octal(block, 148, 8, header.checksum ?? block.reduce((sum, byte) => sum + byte, 0));
  return Buffer.concat([block, padded(content)]);
}

/** An extended header of pax(1) for the entry that follows; with type `g` for all that follow. */
export function paxHeader(records: Readonly<Record<string, string>>, type = "x"): Buffer {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (length !== rest + String(length).length) length = rest + String(length).length;
    return `${length} ${key}=${value}\n`;
  });
  return tarEntry({ name: "pax", type, content: Buffer.from(content.join("")) });
}

/** GNU tar's long name (`L`) or long link name (`K`) for the entry that follows. */
export function gnuLongName(name: string, type: "L" | "K" = "L"): Buffer {
  return tarEntry({ name: "././@LongLink", type, content: Buffer.from(`${name}\0`), magic: "ustar  \0" });
}

/** The entries with the zero blocks that end an archive. */
export function tarArchive(...entries: readonly Buffer[]): Buffer {
  return Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

function octal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, length, "latin1");
}
