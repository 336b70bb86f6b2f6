/** The records of an extended header, pax(1): keyword to value, in order; a value is bytes. */
export type PaxRecords = readonly (readonly [keyword: string, value: Buffer])[];

const NEWLINE = 0x0a;
const EQUALS = 0x3d;
/** Digits of the longest record that is looked at. */
const LENGTH_DIGITS = 9;

/** Reads `LENGTH KEYWORD=VALUE\n` again and again; undefined where that is not what there is. */
export function parseRecords(bytes: Buffer): PaxRecords | undefined {
  const records: [string, Buffer][] = [];
  for (let at = 0; at < bytes.length; ) {
    // Some programs pad with NULs.
    if (bytes[at] === 0) break;
    const [, digits] = /^(\d+) /.exec(bytes.toString("latin1", at, at + LENGTH_DIGITS + 1)) ?? [];
    if (digits === undefined) return undefined;
    const end = at + Number.parseInt(digits, 10);
    const start = at + digits.length + 1;
    const equals = bytes.indexOf(EQUALS, start);
    if (end > bytes.length || bytes[end - 1] !== NEWLINE || equals === -1 || equals >= end) return undefined;
    records.push([bytes.toString("latin1", start, equals), bytes.subarray(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/** What is known of an entry from the extended headers before it: global ones, then its own, which stand above them. */
export class Extended {
  readonly records: PaxRecords;
  readonly #values: ReadonlyMap<string, Buffer>;

  constructor(records: PaxRecords) {
    this.records = records;
    this.#values = new Map(records);
  }

  /** A value's bytes, one character for each; undefined for none, or an empty one, which takes back a global one. */
  text(keyword: string): string | undefined {
    const value = this.#values.get(keyword);
    return value === undefined || value.length === 0 ? undefined : value.toString("latin1");
  }

  /** A decimal number; NaN for what is none. */
  number(keyword: string): number | undefined {
    const value = this.text(keyword);
    if (value === undefined) return undefined;
    return /^\d+$/.test(value) ? Number(value) : Number.NaN;
  }

  /** Extended attributes by name, as star(1) or libarchive write them; access lists, which come as text, by their keyword. */
  attributes(): ReadonlyMap<string, Buffer> {
    const attributes = new Map<string, Buffer>();
    for (const [keyword, value] of this.records) {
      const [, kind, name = ""] = /^(SCHILY\.xattr|LIBARCHIVE\.xattr|SCHILY\.acl|RHT)\.(.+)$/s.exec(keyword) ?? [];
      if (kind === "SCHILY.xattr") attributes.set(name.replaceAll("%3D", "=").replaceAll("%25", "%"), value);
      else if (kind === "LIBARCHIVE.xattr") {
        const decoded = Buffer.from(unquoted(name), "latin1").toString("latin1");
        if (!attributes.has(decoded)) attributes.set(decoded, Buffer.from(value.toString("latin1"), "base64"));
      } else if (kind !== undefined) attributes.set(keyword, value);
    }
    return attributes;
  }
}

/** `%3D` for a byte, as in URLs. */
function unquoted(name: string): string {
  return name.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
