import { Address4, Address6 } from "ip-address";
import { KleeError } from "../errors.ts";
import { type Family, makeSubnet, numberToAddress, overlaps, type Subnet, storedSubnet } from "./subnet.ts";

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
