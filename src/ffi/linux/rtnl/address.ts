import type { SyscallError } from "../../errno.ts";
import { type AddressFamily, formatAddress, type Prefix } from "../../inet.ts";
import { constants as nl } from "../abi/netlink.ts";
import { ifaddrmsg, constants as rt } from "../abi/rtnetlink.ts";
import { constants as so } from "../abi/socket.ts";
import { decodeAttributes, encodeAttribute, type Message } from "../netlink/message.ts";
import type { NetlinkSocket, Request } from "../netlink/socket.ts";

/** An address of an interface. */
export interface LinkAddress {
  readonly linkIndex: number;
  readonly family: AddressFamily;
  readonly address: string;
  /** In bits. */
  readonly prefixLength: number;
  /** Who added it, IFA_PROTO of Linux 5.18; 0: not told. */
  readonly protocol: number;
}

/** The interface whose addresses are meant; the name is for errors and the trace alone. */
export interface LinkReference {
  readonly index: number;
  readonly name: string;
}

/** All IPv4 and IPv6 addresses of all interfaces. Equivalent to: `ip address show`. */
export function listAddresses(socket: NetlinkSocket): LinkAddress[] {
  const request = { call: "RTM_GETADDR", object: "all", type: rt.RTM_GETADDR, flags: 0, body: ifaddrmsg.encode({}) };
  return socket
    .dump(request)
    .map(decodeLinkAddress)
    .filter((address) => address !== undefined);
}

/**
 * Adds addresses in one batch. IPv6 ones are usable at once: no duplicate address detection.
 * Equivalent to: `ip address add ADDRESS dev LINK [nodad] [proto PROTOCOL]` for each.
 *
 * @param protocol a number that tells who added them, 1 to 255.
 * @returns for each address in order its error, or undefined. EEXIST: this interface has it already; the kernel allows
 *   the same address on two interfaces.
 * @throws {SyscallError} when the batch as such fails.
 */
export function addAddresses(
  socket: NetlinkSocket,
  link: LinkReference,
  addresses: readonly Prefix[],
  protocol = 0,
): (SyscallError | undefined)[] {
  return socket.batch(addresses.map((address) => newAddress(link, address, protocol))).map(({ error }) => error);
}

/**
 * Removes addresses in one batch. Equivalent to: `ip address del ADDRESS dev LINK` for each.
 *
 * @returns for each address in order its error, or undefined. EADDRNOTAVAIL: the interface does not have it.
 * @throws {SyscallError} when the batch as such fails.
 */
export function removeAddresses(
  socket: NetlinkSocket,
  link: LinkReference,
  addresses: readonly Prefix[],
): (SyscallError | undefined)[] {
  return socket.batch(addresses.map((address) => deleteAddress(link, address))).map(({ error }) => error);
}

/** The message of `ip address add ADDRESS dev LINK`. */
export function newAddress(link: LinkReference, address: Prefix, protocol = 0): Request {
  const flags = address.family === "inet6" ? rt.IFA_F_NODAD : 0;
  return {
    call: "RTM_NEWADDR",
    object: describe(link, address),
    type: rt.RTM_NEWADDR,
    flags: nl.NLM_F_CREATE | nl.NLM_F_EXCL,
    body: Buffer.concat([
      addressBody(link, address, flags),
      ...(protocol === 0 ? [] : [encodeAttribute(rt.IFA_PROTO, Buffer.from([protocol]))]),
    ]),
  };
}

/** The message of `ip address del ADDRESS dev LINK`. */
export function deleteAddress(link: LinkReference, address: Prefix): Request {
  return {
    call: "RTM_DELADDR",
    object: describe(link, address),
    type: rt.RTM_DELADDR,
    flags: 0,
    body: addressBody(link, address, 0),
  };
}

/** @returns undefined for an address of another family. */
export function decodeLinkAddress(message: Message): LinkAddress | undefined {
  const header = ifaddrmsg.decode(message.body);
  if (header.ifa_family !== so.AF_INET && header.ifa_family !== so.AF_INET6) return undefined;
  const attributes = decodeAttributes(message.body, ifaddrmsg.size);
  // On a point-to-point link IFA_ADDRESS is the other end's.
  const bytes = attributes.get(rt.IFA_LOCAL) ?? attributes.get(rt.IFA_ADDRESS);
  if (bytes === undefined) return undefined;
  return {
    linkIndex: header.ifa_index,
    family: header.ifa_family === so.AF_INET ? "inet" : "inet6",
    address: formatAddress(bytes),
    prefixLength: header.ifa_prefixlen,
    protocol: attributes.get(rt.IFA_PROTO)?.[0] ?? 0,
  };
}

function addressBody(link: LinkReference, { family, bytes, length }: Prefix, flags: number): Buffer {
  return Buffer.concat([
    ifaddrmsg.encode({
      ifa_family: family === "inet" ? so.AF_INET : so.AF_INET6,
      ifa_prefixlen: length,
      ifa_flags: flags,
      ifa_index: link.index,
    }),
    encodeAttribute(rt.IFA_LOCAL, bytes),
    encodeAttribute(rt.IFA_ADDRESS, bytes),
  ]);
}

function describe(link: LinkReference, { bytes, length }: Prefix): string {
  return `${link.name} ${formatAddress(bytes)}/${length}`;
}
