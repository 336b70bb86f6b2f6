import { isIPv6 } from "node:net";
import { AddressError, encodeInet, encodeInet6, formatAddress, netmask, prefixLengthOf } from "../../inet.ts";
import { zeroed } from "../../struct.ts";
import { PF_ADDR_ADDRMASK, PF_ADDR_DYNIFTL, PF_ADDR_TABLE, pf_addr_wrap, pfr_addr } from "../abi/pf.ts";
import { AF_INET, AF_INET6 } from "../abi/socket.ts";

/** What a rule compares an address with. */
export type PfAddress =
  /** `10.2.3.0/24`, `10.2.3.1`, `fd00::/64`. */
  | { readonly network: string }
  /** The addresses in a table of the rule's anchor. */
  | { readonly table: string }
  /** The addresses that an interface has at the time; `self` means all interfaces. */
  | { readonly interface: string };

/** An address or network as pf keeps it. */
export interface PfNetwork {
  readonly family: 4 | 6;
  /** 16 bytes, those of IPv4 in front. */
  readonly bytes: Buffer;
  readonly prefixLength: number;
}

const ADDRESS_SIZE = 16;
const afs = { 4: AF_INET, 6: AF_INET6 } as const;

/** The AF_* of a family. */
export const afOf = (family: 4 | 6): number => afs[family];

function padded(address: Buffer): Buffer {
  const whole = zeroed(ADDRESS_SIZE);
  address.copy(whole);
  return whole;
}

/** Parses an address or CIDR network. @throws {AddressError} when it is none, or has bits beyond its prefix. */
export function parseNetwork(text: string): PfNetwork {
  const [address = "", length, rest] = text.split("/");
  const family = isIPv6(address) ? 6 : 4;
  const size = family === 6 ? ADDRESS_SIZE : 4;
  const parsed = family === 6 ? encodeInet6(address) : encodeInet(address);
  if (rest !== undefined || (length !== undefined && !/^\d{1,3}$/.test(length))) {
    throw new AddressError(`"${text}" is not a network`);
  }
  const prefixLength = length === undefined ? size * 8 : Number(length);
  const mask = netmask(prefixLength, size);
  if (parsed.some((byte, index) => (byte & ~(mask[index] ?? 0)) !== 0)) {
    throw new AddressError(`${text} has bits beyond its prefix`);
  }
  return { family, bytes: padded(parsed), prefixLength };
}

/** The text of a network; without its prefix length where it is one address. */
export function formatNetwork({ family, bytes, prefixLength }: PfNetwork): string {
  const address = formatAddress(family === 6 ? bytes : bytes.subarray(0, 4));
  return prefixLength === (family === 6 ? 128 : 32) ? address : `${address}/${prefixLength}`;
}

/** Fields of a `struct pf_addr_wrap`; none matches every address. @throws {AddressError} */
export function encodeAddress(address: PfAddress | undefined, family: 4 | 6 | undefined) {
  if (address === undefined) return { type: PF_ADDR_ADDRMASK };
  if ("table" in address) return { type: PF_ADDR_TABLE, "v.tblname": address.table };
  if ("interface" in address) {
    // The kernel takes the mask's bits as prefix of the interface's addresses; the name overlays the address alone.
    const mask = padded(netmask(family === 6 ? 128 : 32, family === 6 ? ADDRESS_SIZE : 4));
    return { type: PF_ADDR_DYNIFTL, "v.ifname": address.interface, "v.a.mask": mask };
  }
  const network = parseNetwork(address.network);
  if (family !== undefined && network.family !== family) {
    throw new AddressError(`${address.network} is not an address of IPv${family}`);
  }
  const size = network.family === 6 ? ADDRESS_SIZE : 4;
  return {
    type: PF_ADDR_ADDRMASK,
    "v.a.addr": network.bytes,
    "v.a.mask": padded(netmask(network.prefixLength, size)),
  };
}

/** Reads a `struct pf_addr_wrap`; undefined matches every address. */
export function decodeAddress(bytes: Buffer, offset: number, af: number): PfAddress | undefined {
  const wrap = pf_addr_wrap.decode(bytes, offset);
  if (wrap.type === PF_ADDR_TABLE) return { table: wrap["v.tblname"] };
  if (wrap.type === PF_ADDR_DYNIFTL) return { interface: wrap["v.ifname"] };
  const prefixLength = prefixLengthOf(wrap["v.a.mask"]);
  if (prefixLength === 0) return undefined;
  return { network: formatNetwork({ family: af === AF_INET6 ? 6 : 4, bytes: wrap["v.a.addr"], prefixLength }) };
}

/** An element of a table. @throws {AddressError} */
export function encodeTableAddress(text: string): Buffer {
  const { family, bytes, prefixLength } = parseNetwork(text);
  return pfr_addr.encode({ pfra_u: bytes, pfra_af: afs[family], pfra_net: prefixLength });
}

/** Reads an element of a table. */
export function decodeTableAddress(bytes: Buffer, offset: number): string {
  const { pfra_u, pfra_af, pfra_net } = pfr_addr.decode(bytes, offset);
  return formatNetwork({ family: pfra_af === AF_INET6 ? 6 : 4, bytes: pfra_u, prefixLength: pfra_net });
}
