import { Address4, Address6 } from "ip-address";
import { KleeError } from "../errors.ts";
import {
  type AddressRange,
  addressToNumber,
  type Family,
  familyOf,
  makeSubnet,
  numberToAddress,
  overlaps,
  type Subnet,
  storedSubnet,
} from "./subnet.ts";

/** Ranges that never are a container network. */
const reserved: readonly (readonly [cidr: string, meaning: string])[] = [
  ["0.0.0.0/8", "'this network' addresses"],
  ["127.0.0.0/8", "loopback addresses"],
  ["224.0.0.0/4", "multicast addresses"],
  ["240.0.0.0/4", "reserved addresses"],
  ["::/127", "the unspecified and loopback addresses"],
  ["::ffff:0:0/96", "IPv4-mapped addresses"],
  ["fe80::/10", "link-local addresses"],
  ["ff00::/8", "multicast addresses"],
];

/**
 * Reads a CIDR block that somebody typed. Host bits must be zero.
 *
 * @param option `subnet` or `subnet6`, for the message.
 * @throws {KleeError} INVALID, saying which network was probably meant when host bits are set.
 */
export function parseSubnet(option: string, family: Family, cidr: string): Subnet {
  const refuse = (why: string): KleeError => new KleeError("INVALID", `invalid ${option}: ${why}`);
  const block = readBlock(cidr);
  if (block === undefined) throw refuse(`could not parse cidr block: ${JSON.stringify(cidr)}`);
  if (block.family !== family) throw refuse(`${cidr} is IPv${block.family}: wrong IP protocol`);
  const { subnetMask: prefix } = block.address;
  if (prefix === 0) throw refuse(`${cidr} is every address there is`);
  const first = block.address.startAddress().bigInt();
  if (first !== block.address.bigInt())
    throw refuse(`${cidr} has host bits set; the network is ${numberToAddress(family, first)}/${prefix}`);
  const subnet = makeSubnet(family, first, prefix);
  for (const [range, meaning] of reserved)
    if (overlaps(subnet, storedSubnet(range))) throw refuse(`${cidr} contains ${meaning} (${range})`);
  return subnet;
}

/**
 * Reads addresses that somebody typed, `192.0.2.9`, `192.0.2.128/25` or `192.0.2.10-192.0.2.99`, of one of the subnets.
 *
 * @param option `--exclude`, for the message.
 * @returns as it is stored: in its shortest form.
 * @throws {KleeError} INVALID
 */
export function parseRange(option: string, subnets: readonly Subnet[], text: string): string {
  const refuse = (why: string): KleeError => new KleeError("INVALID", `${option}: ${why}`);
  const [range, stored] = readRange(text) ?? [];
  if (range === undefined || stored === undefined)
    throw refuse(`${JSON.stringify(text)} is no address, no cidr block and no range FIRST-LAST of addresses`);
  if (range.first > range.last) throw refuse(`the range ${text} ends before it begins`);
  const within = (subnet: Subnet): boolean =>
    subnet.family === range.family && subnet.first <= range.first && range.last <= subnet.last;
  if (!subnets.some(within))
    throw refuse(`${text} is not within ${subnets.map(({ cidr }) => cidr).join(" or ")} of the network`);
  return stored;
}

function readRange(text: string): [AddressRange, string] | undefined {
  const block = readBlock(text);
  if (block !== undefined) {
    const { subnetMask: prefix } = block.address;
    const first = block.address.startAddress().bigInt();
    const subnet = makeSubnet(block.family, first, prefix);
    return first === block.address.bigInt() ? [subnet, subnet.cidr] : undefined;
  }
  const [first = "", last = first, rest] = text.split("-");
  const family = familyOf(first);
  if (rest !== undefined || family === undefined || familyOf(last) !== family) return undefined;
  const range = { family, first: addressToNumber(first), last: addressToNumber(last) };
  const ends = [...new Set([range.first, range.last])].map((address) => numberToAddress(family, address));
  return [range, ends.join("-")];
}

interface Block {
  readonly family: Family;
  readonly address: Address4 | Address6;
}

/** Address and prefix length, nothing else: no zone, no missing length. */
function readBlock(cidr: string): Block | undefined {
  if (/^[0-9.]+\/[0-9]{1,2}$/.test(cidr) && Address4.isValid(cidr)) return { family: 4, address: new Address4(cidr) };
  if (/^[0-9a-fA-F:.]+\/[0-9]{1,3}$/.test(cidr) && cidr.includes(":") && Address6.isValid(cidr))
    return { family: 6, address: new Address6(cidr) };
  return undefined;
}
