import { AddressError, encodeInet, encodeInet6, formatAddress } from "../inet.ts";
import { decodeCString, encodeCString, FieldError } from "../struct.ts";
import { JAIL_SYS_DISABLE, JAIL_SYS_INHERIT, JAIL_SYS_NEW } from "./abi/jail.ts";
import { MAXHOSTNAMELEN, MAXPATHLEN } from "./abi/param.ts";
import { type IovPair, room } from "./iovec.ts";

const INT_SIZE = 4;
const LONG_SIZE = 8;
const sysValues = { disable: JAIL_SYS_DISABLE, new: JAIL_SYS_NEW, inherit: JAIL_SYS_INHERIT } as const;

/** Value of a `jailsys` parameter (`vnet`, `ip4`, `ip6`, `host`, `sysvshm`, ...). */
export type JailSys = keyof typeof sysValues;

/**
 * Value of a jail parameter. Its form picks the encoding, which must be the one the kernel expects of the parameter:
 * - string: with its NUL (`path`, `name`, `host.hostname`)
 * - number: 32 bits (`children.max`, `enforce_statfs`, `devfs_ruleset`, `securelevel`)
 * - bigint: 64 bits (`host.hostid`)
 * - boolean: the name alone; false is the name with `no` before its last component (`allow.noraw_sockets`)
 * - `{ sys }`: a `jailsys` parameter
 * - array of addresses: `ip4.addr`, `ip6.addr`; the first is the primary one, an empty array leaves none
 * - Uint8Array: the bytes as they are
 */
export type JailValue = string | number | bigint | boolean | { readonly sys: JailSys } | readonly string[] | Uint8Array;

/** Parameters by name, in the order in which the kernel is to see them. */
export type JailParams = Readonly<Record<string, JailValue>>;

/** How the kernel's bytes of a parameter are to be read. */
export interface JailTypes {
  string: string;
  int: number;
  bool: boolean;
  sys: JailSys | undefined;
  ip4: string[];
  ip6: string[];
  /** 64 bits, unsigned. */
  long: bigint;
  bytes: Buffer;
}

/** What jail_set(2) is to do; attaching puts the calling process into the jail, for good. */
export type JailAction = "create" | "update" | "attach";

/** Parameters to read: name to type. */
export type JailQuery = Readonly<Record<string, keyof JailTypes>>;
/** What a query gives. */
export type JailValues<Q extends JailQuery> = { readonly [K in keyof Q]: JailTypes[Q[K]] };

/** Which jail: by id, by name, or the one with the lowest id above `lastjid`. */
export type JailKey = { readonly jid: number } | { readonly name: string } | { readonly lastjid: number };

/** The form of a value by its parameter's type: a test, and the words for it. Bytes as they are go with each type. */
export const valueForms: Readonly<
  Record<keyof JailTypes, { readonly is: (value: JailValue) => boolean; readonly means: string }>
> = {
  string: { is: (value) => typeof value === "string", means: "a string" },
  int: { is: (value) => typeof value === "number", means: "a number" },
  bool: { is: (value) => typeof value === "boolean", means: "true or false" },
  sys: {
    is: (value) => typeof value === "object" && "sys" in value,
    means: '{ sys: "disable" }, { sys: "new" } or { sys: "inherit" }',
  },
  ip4: { is: Array.isArray, means: "a list of IPv4 addresses" },
  ip6: { is: Array.isArray, means: "a list of IPv6 addresses" },
  long: { is: (value) => typeof value === "bigint", means: "a bigint" },
  bytes: { is: () => false, means: "bytes" },
};

/** The negative form of a boolean parameter: `persist` is `nopersist`, `allow.mount` is `allow.nomount`. */
export function negative(name: string): string {
  const last = name.lastIndexOf(".") + 1;
  return `${name.slice(0, last)}no${name.slice(last)}`;
}

/**
 * Parameters as name and value bytes.
 *
 * @throws {FieldError} when a value does not fit its encoding; {AddressError} for a text that is no address.
 */
export function encodeJailParams(params: JailParams): IovPair[] {
  return Object.entries(params).map(([name, value]) => {
    if (typeof value === "boolean") return room(value ? name : negative(name), 0);
    return { name, value: encodeValue(name, value) };
  });
}

function encodeValue(name: string, value: Exclude<JailValue, boolean>): Buffer {
  if (typeof value === "string") return encodeCString(value, name);
  if (typeof value === "number") return encodeInt(name, value);
  if (typeof value === "bigint") {
    if (BigInt.asUintN(64, value) !== value) throw new FieldError(`${name}: ${value} does not fit 64 bits`);
    const encoded = Buffer.allocUnsafe(LONG_SIZE);
    encoded.writeBigUInt64LE(value);
    return encoded;
  }
  if (value instanceof Uint8Array) return Buffer.from(value);
  if ("sys" in value) return encodeInt(name, sysValues[value.sys]);
  if (name === "ip4.addr") return encodeList(name, value, encodeInet);
  if (name === "ip6.addr") return encodeList(name, value, encodeInet6);
  throw new FieldError(`${name} is not a list of addresses`);
}

function encodeList(name: string, addresses: readonly string[], parse: (address: string) => Buffer): Buffer {
  try {
    return Buffer.concat(addresses.map(parse));
  } catch (error) {
    if (error instanceof AddressError) throw new AddressError(`${name}: ${error.message}`);
    throw error;
  }
}

function encodeInt(name: string, value: number): Buffer {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31) {
    throw new FieldError(`${name}: ${value} is not an integer of 32 bits`);
  }
  const encoded = Buffer.allocUnsafe(INT_SIZE);
  encoded.writeInt32LE(value);
  return encoded;
}

/** The bytes a parameter's value takes, or undefined where only the kernel knows. */
export function fixedSize(type: keyof JailTypes): number | undefined {
  if (type === "long") return LONG_SIZE;
  return type === "int" || type === "bool" || type === "sys" ? INT_SIZE : undefined;
}

/**
 * Room that is enough for a parameter's value, save for strings of unusual length; undefined where the kernel is to be
 * asked. The kernel holds no longer paths and names, prison in sys/jail.h.
 */
export function likelySize(name: string, type: keyof JailTypes): number | undefined {
  if (type === "string") return name === "path" ? MAXPATHLEN : MAXHOSTNAMELEN;
  return fixedSize(type);
}

/** Reads the kernel's value of a parameter. */
export function decodeJailValue<T extends keyof JailTypes>(type: T, value: Buffer): JailTypes[T];
export function decodeJailValue(type: keyof JailTypes, value: Buffer): JailTypes[keyof JailTypes] {
  switch (type) {
    case "string":
      return decodeCString(value);
    case "int":
      return value.readInt32LE(0);
    case "bool":
      return value.readInt32LE(0) !== 0;
    case "sys": {
      const number = value.readInt32LE(0);
      return (Object.keys(sysValues) as JailSys[]).find((key) => sysValues[key] === number);
    }
    case "ip4":
      return chunks(value, 4).map(formatAddress);
    case "ip6":
      return chunks(value, 16).map(formatAddress);
    case "long":
      return value.readBigUInt64LE(0);
    case "bytes":
      return Buffer.from(value);
  }
}

function chunks(value: Buffer, size: number): Buffer[] {
  return Array.from({ length: value.length / size }, (_, index) => value.subarray(index * size, (index + 1) * size));
}
