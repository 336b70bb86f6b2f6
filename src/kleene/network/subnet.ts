import { encodeAddress, formatAddress, isIPv4, isIPv6 } from "../../ffi/inet.ts";

/** Of addresses: IPv4 or IPv6. */
export type Family = 4 | 6;

/** Addresses of one family, as numbers; both ends included. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export interface Subnet extends AddressRange {
  /** Canonical CIDR. */
  readonly cidr: string;
  /** First and last address that a container can have: without network and broadcast address. */
  readonly firstUsable: bigint;
  readonly lastUsable: bigint;
}

const bits = (family: Family): number => (family === 4 ? 32 : 128);

/** Reads a CIDR block that klee itself stored. */
export function storedSubnet(cidr: string): Subnet {
  const [address = "", prefix = ""] = cidr.split("/");
  return makeSubnet(address.includes(":") ? 6 : 4, addressToNumber(address), Number(prefix));
}

/** The network that an interface address with prefix length lies in, `10.0.0.5/24` -> `10.0.0.0/24`. */
export function networkOfAddress(addressWithPrefix: string): Subnet {
  const [address = "", length = ""] = addressWithPrefix.split("/");
  const family: Family = address.includes(":") ? 6 : 4;
  const value = addressToNumber(address);
  const hostBits = (1n << BigInt(bits(family) - Number(length))) - 1n;
  return makeSubnet(family, value - (value & hostBits), Number(length));
}

export function makeSubnet(family: Family, first: bigint, prefix: number): Subnet {
  const free = bits(family) - prefix;
  const last = first + (1n << BigInt(free)) - 1n;
  // RFC 3021: a /31 has no network and broadcast address; nor have /32, /127 (RFC 6164) and /128.
  const pointToPoint = free <= 1;
  return {
    family,
    cidr: `${numberToAddress(family, first)}/${prefix}`,
    first,
    last,
    firstUsable: pointToPoint ? first : first + 1n,
    lastUsable: pointToPoint || family === 6 ? last : last - 1n,
  };
}

/** Reads an address, a CIDR block or `FIRST-LAST` that klee itself stored. */
export function storedRange(text: string): AddressRange {
  if (text.includes("/")) return storedSubnet(text);
  const [first = "", last = first] = text.split("-");
  const family: Family = first.includes(":") ? 6 : 4;
  return { family, first: addressToNumber(first), last: addressToNumber(last) };
}

export function overlaps(one: AddressRange, other: AddressRange): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last;
}

export function contains(subnet: AddressRange, address: bigint): boolean {
  return subnet.first <= address && address <= subnet.last;
}

/** Family of a bare address, undefined when it is none. */
export function familyOf(address: string): Family | undefined {
  if (isIPv4(address)) return 4;
  return isIPv6(address) ? 6 : undefined;
}

export function addressToNumber(address: string): bigint {
  return BigInt(`0x${encodeAddress(address).toString("hex")}`);
}

/** The usual text form; IPv6 in its shortest (RFC 5952). */
export function numberToAddress(family: Family, value: bigint): string {
  return formatAddress(Buffer.from(value.toString(16).padStart(bits(family) / 4, "0"), "hex"));
}
