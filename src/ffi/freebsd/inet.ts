import { encodeAddress, encodeQuad, formatAddress, isIPv6, parseQuad } from "../inet.ts";
import { FieldError, zeroed } from "../struct.ts";

/** The 4 bytes of an IPv4 address in dotted form, network order. @throws {FieldError} when it is none. */
export function parseInet(address: string): Buffer {
  const quad = parseQuad(address);
  if (quad === undefined) throw new FieldError(`"${address}" is not an IPv4 address`);
  return encodeQuad(quad);
}

/** The 16 bytes of an IPv6 address without a zone. @throws {FieldError} when it is none. */
export function parseInet6(address: string): Buffer {
  if (!isIPv6(address)) throw new FieldError(`"${address}" is not an IPv6 address`);
  return encodeAddress(address);
}

/** The text of 4 bytes. */
export function formatInet(address: Uint8Array): string {
  return address.join(".");
}

/** The shortest text of 16 bytes, in the form of RFC 5952. */
export function formatInet6(address: Uint8Array): string {
  return formatAddress(address);
}

/** A netmask of `size` bytes. @throws {FieldError} when the prefix is longer than the address. */
export function netmask(prefixLength: number, size: 4 | 16): Buffer {
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > size * 8) {
    throw new FieldError(`a prefix length is 0 to ${size * 8}, not ${prefixLength}`);
  }
  const mask = zeroed(size);
  const whole = prefixLength >> 3;
  mask.fill(0xff, 0, whole);
  if (whole < size) mask[whole] = 0xff00 >> (prefixLength & 7);
  return mask;
}

/** Number of one bits in a netmask. */
export function prefixLengthOf(mask: Uint8Array): number {
  let length = 0;
  for (const byte of mask) for (let bits = byte; bits !== 0; bits &= bits - 1) length++;
  return length;
}
