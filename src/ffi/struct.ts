/**
 * C structs as data: name, header, size, and each field's offset and type. Encoding and decoding work on Buffers alone,
 * so the bytes of one system are produced and tested on any other, with no library loaded.
 *
 * Integers are little-endian, as on amd64 and arm64; the `be` types hold network byte order.
 */

/** A value does not fit the C field it is written to. */
export class FieldError extends RangeError {
  override readonly name = "FieldError";
}

/** How one C type is laid out: `Out` is what decoding gives, `In` what encoding takes. */
export interface FieldType<Out, In = Out> {
  /** sizeof, in bytes. */
  readonly size: number;
  /** Writes at `offset`; `where` names the field in errors. */
  write(target: Buffer, offset: number, value: In, where: string): void;
  /** Reads the value that lies there. */
  read(source: Buffer, offset: number): Out;
}

/** A type of whatever values. */
export type AnyFieldType = FieldType<unknown, never>;
/** What is read of a type. */
export type OutOf<T> = T extends FieldType<infer Out, never> ? Out : never;
/** What may be written of a type. */
type InOf<T> = T extends { write(target: Buffer, offset: number, value: infer In, where: string): void } ? In : never;

/** One field: byte offset from the start of its struct, and type. Members of a union share an offset. */
export type Field = readonly [offset: number, type: AnyFieldType];
/** The fields of a struct under their C names. */
export type Fields = Readonly<Record<string, Field>>;
/** What {@link Struct.decode} gives. */
export type Decoded<F extends Fields> = { readonly [K in keyof F]: OutOf<F[K][1]> };
/** What {@link Struct.encode} takes; a field left out stays zero. */
export type Encodable<F extends Fields> = { readonly [K in keyof F]?: InOf<F[K][1]> };

/** A declared C struct. It is itself a field type, so structs nest. */
export interface Struct<F extends Fields = Fields> extends FieldType<Decoded<F>, Encodable<F>> {
  /** As C writes it: `struct in6_aliasreq`. */
  readonly cName: string;
  /** The header that declares it: `netinet6/in6_var.h`. */
  readonly header: string;
  readonly fields: F;
  /**
   * A new zeroed Buffer of `size` bytes with the given fields set.
   *
   * @throws {FieldError} when a value does not fit its field.
   */
  encode(values: Encodable<F>): Buffer;
  /**
   * @param offset where the struct begins in `source`, in bytes.
   * @throws {FieldError} when `source` is too short.
   */
  decode(source: Uint8Array, offset?: number): Decoded<F>;
  /**
   * As `decode`, one field alone.
   *
   * @throws {FieldError} when `source` is too short, or there is no such field.
   */
  decodeField<K extends keyof F & string>(name: K, source: Uint8Array, offset?: number): Decoded<F>[K];
}

interface ResolvedField {
  readonly name: string;
  readonly offset: number;
  readonly type: AnyFieldType;
  /** Its name in errors where the struct is not part of another one. */
  readonly path: string;
}

function resolve(cName: string, name: string, [offset, type]: Field): ResolvedField {
  return { name, offset, type, path: `${cName}.${name}` };
}

/** A Buffer of zeros, of Node's pool where it is small: a memory of its own, as Buffer.alloc takes, costs ten times that. */
export function zeroed(size: number): Buffer {
  return Buffer.allocUnsafe(size).fill(0);
}

function asBuffer(source: Uint8Array): Buffer {
  return Buffer.isBuffer(source) ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength);
}

/**
 * Declares a struct.
 *
 * @param size sizeof, trailing padding included, in bytes.
 * @throws {FieldError} when a field lies outside the struct.
 */
export function struct<const F extends Fields>(cName: string, header: string, size: number, fields: F): Struct<F> {
  for (const [name, [offset, type]] of Object.entries(fields)) {
    if (offset < 0 || offset + type.size > size) throw new FieldError(`${cName}.${name} lies outside ${size} bytes`);
  }
  let byName: ReadonlyMap<string, ResolvedField> | undefined;
  // On first use: most of the structs that a program declares it never encodes.
  const resolved = (): ReadonlyMap<string, ResolvedField> => {
    byName ??= new Map(Object.entries(fields).map(([name, field]) => [name, resolve(cName, name, field)]));
    return byName;
  };
  function write(target: Buffer, offset: number, values: Encodable<F>, where: string): void {
    const known = resolved();
    for (const name in values) {
      const field = known.get(name);
      if (field === undefined) throw new FieldError(`${where} has no field ${name}`);
      const value = values[name];
      if (value === undefined) continue;
      field.type.write(
        target,
        offset + field.offset,
        value as never,
        where === cName ? field.path : `${where}.${name}`,
      );
    }
  }
  function read(source: Buffer, offset: number): Decoded<F> {
    const values: Record<string, unknown> = {};
    for (const field of resolved().values()) values[field.name] = field.type.read(source, offset + field.offset);
    return values as Decoded<F>;
  }
  function checkLength(source: Uint8Array, offset: number): void {
    if (offset < 0 || offset + size > source.length) {
      throw new FieldError(`${cName} needs ${size} bytes at ${offset}, of ${source.length}`);
    }
  }
  return {
    cName,
    header,
    size,
    fields,
    write,
    read,
    encode(values) {
      const target = zeroed(size);
      write(target, 0, values, cName);
      return target;
    },
    decode(source, offset = 0) {
      checkLength(source, offset);
      return read(asBuffer(source), offset);
    },
    decodeField(name, source, offset = 0) {
      checkLength(source, offset);
      const field = resolved().get(name);
      if (field === undefined) throw new FieldError(`${cName} has no field ${name}`);
      return field.type.read(asBuffer(source), offset + field.offset) as Decoded<F>[typeof name];
    },
  };
}

function integer(
  size: 1 | 2 | 4,
  signed: boolean,
  write: (target: Buffer, value: number, offset: number) => void,
  read: (source: Buffer, offset: number) => number,
): FieldType<number> {
  const low = signed ? -(2 ** (size * 8 - 1)) : 0;
  const high = 2 ** (size * 8 - (signed ? 1 : 0)) - 1;
  return {
    size,
    write(target, offset, value, where) {
      if (!Number.isInteger(value) || value < low || value > high) {
        throw new FieldError(`${where}: ${value} is not an integer from ${low} to ${high}`);
      }
      write(target, value, offset);
    },
    read,
  };
}

function integer64(
  low: bigint,
  high: bigint,
  write: (target: Buffer, value: bigint, offset: number) => void,
  read: (source: Buffer, offset: number) => bigint,
): FieldType<bigint> {
  return {
    size: 8,
    write(target, offset, value, where) {
      if (value < low || value > high) throw new FieldError(`${where}: ${value} does not fit 64 bits`);
      write(target, value, offset);
    },
    read,
  };
}

/** 8 bits without a sign. */
export const u8 = integer(
  1,
  false,
  (b, v, o) => b.writeUInt8(v, o),
  (b, o) => b.readUInt8(o),
);
/** 8 bits with a sign. */
export const i8 = integer(
  1,
  true,
  (b, v, o) => b.writeInt8(v, o),
  (b, o) => b.readInt8(o),
);
/** 16 bits without a sign. */
export const u16 = integer(
  2,
  false,
  (b, v, o) => b.writeUInt16LE(v, o),
  (b, o) => b.readUInt16LE(o),
);
/** 16 bits with a sign. */
export const i16 = integer(
  2,
  true,
  (b, v, o) => b.writeInt16LE(v, o),
  (b, o) => b.readInt16LE(o),
);
/** 16 bits in network byte order: a port. */
export const u16be = integer(
  2,
  false,
  (b, v, o) => b.writeUInt16BE(v, o),
  (b, o) => b.readUInt16BE(o),
);
/** 32 bits without a sign. */
export const u32 = integer(
  4,
  false,
  (b, v, o) => b.writeUInt32LE(v, o),
  (b, o) => b.readUInt32LE(o),
);
/** 32 bits with a sign. */
export const i32 = integer(
  4,
  true,
  (b, v, o) => b.writeInt32LE(v, o),
  (b, o) => b.readInt32LE(o),
);
/** 32 bits in network byte order. */
export const u32be = integer(
  4,
  false,
  (b, v, o) => b.writeUInt32BE(v, o),
  (b, o) => b.readUInt32BE(o),
);
/** 64 bits without a sign. */
export const u64 = integer64(
  0n,
  2n ** 64n - 1n,
  (b, v, o) => b.writeBigUInt64LE(v, o),
  (b, o) => b.readBigUInt64LE(o),
);
/** 64 bits with a sign. */
export const i64 = integer64(
  -(2n ** 63n),
  2n ** 63n - 1n,
  (b, v, o) => b.writeBigInt64LE(v, o),
  (b, o) => b.readBigInt64LE(o),
);
/** An address in this process. What it points to must outlive the call. */
export const pointer = u64;

/** `unsigned char[size]`: exactly `size` bytes in and out (a copy). */
export function bytes(size: number): FieldType<Buffer, Uint8Array> {
  return {
    size,
    write(target, offset, value, where) {
      if (value.length !== size) throw new FieldError(`${where}: ${value.length} bytes, not ${size}`);
      target.set(value, offset);
    },
    read: (source, offset) => Buffer.from(source.subarray(offset, offset + size)),
  };
}

const LAST_ASCII = 0x7f;

/** `char[size]` holding UTF-8 and its NUL. A string that does not fit is an error: a shortened name is another name. */
export function cString(size: number): FieldType<string> {
  return {
    size,
    write(target, offset, value, where) {
      const end = writeCString(target, offset, size, value, where);
      target.fill(0, end, offset + size);
    },
    read: (source, offset) => decodeCString(source.subarray(offset, offset + size)),
  };
}

/** `type[count]`: exactly `count` values. */
export function arrayOf<Out, In>(type: FieldType<Out, In>, count: number): FieldType<readonly Out[], readonly In[]> {
  return {
    size: type.size * count,
    write(target, offset, values, where) {
      if (values.length !== count) throw new FieldError(`${where}: ${values.length} elements, not ${count}`);
      let index = 0;
      for (const value of values) {
        type.write(target, offset + index * type.size, value, `${where}[${index}]`);
        index++;
      }
    },
    read: (source, offset) =>
      Array.from({ length: count }, (_, index) => type.read(source, offset + index * type.size)),
  };
}

/**
 * UTF-8 with a NUL at the end.
 *
 * @param where names the string in the error.
 * @throws {FieldError} when the string itself holds a NUL: C would read a shorter one.
 */
export function encodeCString(value: string, where: string): Buffer {
  if (value.includes("\0")) throw new FieldError(`${where}: ${JSON.stringify(value)} holds a NUL byte`);
  return Buffer.from(`${value}\0`, "utf8");
}

/**
 * Writes a string as {@link encodeCString} encodes it.
 *
 * @param room for the string with its NUL, in bytes.
 * @returns the offset behind the NUL.
 * @throws {FieldError} when the string holds a NUL, or does not fit.
 */
export function writeCString(target: Buffer, offset: number, room: number, value: string, where: string): number {
  const end = writeAscii(target, offset, room - 1, value);
  if (end !== undefined) {
    target[end] = 0;
    return end + 1;
  }
  const encoded = encodeCString(value, where);
  if (encoded.length > room) {
    throw new FieldError(`${where}: "${value}" is ${encoded.length - 1} bytes, at most ${room - 1} fit`);
  }
  return offset + encoded.copy(target, offset);
}

/**
 * The short way, for almost every string; what it wrote of another one is to be written over.
 *
 * @returns the offset behind the string; undefined when not all of it is ASCII without NUL, or it does not fit.
 */
function writeAscii(target: Buffer, offset: number, room: number, value: string): number | undefined {
  if (value.length > room) return undefined;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === 0 || code > LAST_ASCII) return undefined;
    target[offset + at] = code;
  }
  return offset + value.length;
}

/** The text before the first NUL, or all of it when there is none. */
export function decodeCString(source: Uint8Array): string {
  const end = source.indexOf(0);
  return asBuffer(source).toString("utf8", 0, end < 0 ? source.length : end);
}
