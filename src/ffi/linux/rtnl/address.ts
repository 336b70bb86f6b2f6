import { type AddressFamily, formatAddress, formatPrefix, type Prefix } from "../../inet.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../abi/netlink.ts";
import {
  IFA_ADDRESS,
  IFA_FLAGS,
  IFA_LOCAL,
  IFA_PROTO,
  ifaddrmsg,
  RT_SCOPE_UNIVERSE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../abi/socket.ts";
import {
  attributeSize,
  decodeAttributes,
  encodeAttribute,
  encodeU32,
  type Message,
  writeAttribute,
} from "../netlink/message.ts";
import type { NetlinkSocket, Request } from "../netlink/socket.ts";

/** An address of an interface. */
export interface LinkAddress {
  readonly linkIndex: number;
  readonly family: AddressFamily;
  readonly address: string;
  /** Of a point-to-point link, the address at its other end. */
  readonly peer: string | undefined;
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

/**
 * All IPv4 and IPv6 addresses of all interfaces, or of one: then the kernel sends no others. Equivalent to:
 * `ip address show [dev LINK]`.
 */
export function listAddresses(socket: NetlinkSocket, link?: LinkReference): LinkAddress[] {
  const body = ifaddrmsg.encode({ ifa_index: link?.index ?? 0 });
  return (
    socket
      .dump({ call: "RTM_GETADDR", object: link?.name ?? "all", type: RTM_GETADDR, flags: 0, body })
      .map(decodeLinkAddress)
      .filter((address) => address !== undefined)
      // Kernels before 5.0 do not filter.
      .filter(({ linkIndex }) => link === undefined || linkIndex === link.index)
  );
}

/**
 * The message that asks which interface has an IPv6 address, be it tentative as well; EADDRNOTAVAIL when none has it. Of
 * IPv4 the kernel has no such question.
 */
export function getAddress6({ bytes }: Prefix): Request {
  const header = ifaddrmsg.encode({ ifa_family: AF_INET6 });
  const body = Buffer.concat([header, encodeAttribute(IFA_ADDRESS, bytes)]);
  return { call: "RTM_GETADDR", object: formatAddress(bytes), type: RTM_GETADDR, flags: 0, body };
}

/** An address to add. */
export interface NewAddress extends Prefix {
  /** IFA_F_*, `IFA_F_NODAD` for one of IPv6 that is to be usable at once; none unless told. */
  readonly flags?: number;
  /** A number that tells who added it, IFA_PROTO of Linux 5.18, 1 to 255. */
  readonly protocol?: number;
}

/**
 * Adds addresses in one batch. Equivalent to: `ip address add ADDRESS dev LINK [nodad] [proto PROTOCOL]` for each.
 *
 * @throws {BatchError} with each address's error when some were refused; the others were added. EEXIST: this interface
 *   has it already; the kernel allows the same address on two interfaces.
 * @throws {SyscallError} when the batch as such fails.
 */
export function addAddresses(socket: NetlinkSocket, link: LinkReference, addresses: readonly NewAddress[]): void {
  socket.batchAll(addresses.map((address) => newAddress(link, address)));
}

/**
 * Removes addresses in one batch. Equivalent to: `ip address del ADDRESS dev LINK` for each.
 *
 * @throws {BatchError} with each address's error when some were not removed; the others were. EADDRNOTAVAIL: the
 *   interface does not have it.
 * @throws {SyscallError} when the batch as such fails.
 */
export function removeAddresses(socket: NetlinkSocket, link: LinkReference, addresses: readonly Prefix[]): void {
  socket.batchAll(addresses.map((address) => deleteAddress(link, address)));
}

/** The message of `ip address add ADDRESS dev LINK`. */
export function newAddress(link: LinkReference, address: NewAddress): Request {
  return new AddressRequest("RTM_NEWADDR", link, address);
}

/** The message of `ip address del ADDRESS dev LINK`. */
export function deleteAddress(link: LinkReference, { family, bytes, length }: Prefix): Request {
  return new AddressRequest("RTM_DELADDR", link, { family, bytes, length });
}

/** Added by the thousand: what it is about is put into words only when somebody asks. */
class AddressRequest implements Request {
  readonly call: "RTM_NEWADDR" | "RTM_DELADDR";
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
  readonly #link: LinkReference;
  readonly #address: Prefix;

  constructor(call: "RTM_NEWADDR" | "RTM_DELADDR", link: LinkReference, address: NewAddress) {
    const adds = call === "RTM_NEWADDR";
    this.call = call;
    this.type = adds ? RTM_NEWADDR : RTM_DELADDR;
    this.flags = adds ? NLM_F_CREATE | NLM_F_EXCL : 0;
    this.body = addressBody(link, address);
    this.#link = link;
    this.#address = address;
  }

  get object(): string {
    return `${this.#link.name} ${formatPrefix(this.#address.bytes, this.#address.length)}`;
  }
}

/** @returns undefined for an address of another family. */
export function decodeLinkAddress(message: Message): LinkAddress | undefined {
  const header = ifaddrmsg.decode(message.body);
  if (header.ifa_family !== AF_INET && header.ifa_family !== AF_INET6) return undefined;
  const attributes = decodeAttributes(message.body, ifaddrmsg.size);
  // On a point-to-point link IFA_ADDRESS is the other end's.
  const far = attributes.get(IFA_ADDRESS);
  const bytes = attributes.get(IFA_LOCAL) ?? far;
  if (bytes === undefined) return undefined;
  return {
    linkIndex: header.ifa_index,
    family: header.ifa_family === AF_INET ? "inet" : "inet6",
    address: formatAddress(bytes),
    peer: far === undefined || far.equals(bytes) ? undefined : formatAddress(far),
    prefixLength: header.ifa_prefixlen,
    protocol: attributes.get(IFA_PROTO)?.[0] ?? 0,
  };
}

/** The header has room for the first eight flags. */
const HEADER_FLAGS = 0xff;

function addressBody(link: LinkReference, address: NewAddress): Buffer {
  const { family, bytes, length, flags = 0, protocol = 0 } = address;
  const more = flags > HEADER_FLAGS ? encodeU32(IFA_FLAGS, flags) : undefined;
  const proto = protocol === 0 ? undefined : Uint8Array.of(protocol);
  const size = ifaddrmsg.size + 2 * attributeSize(bytes) + (proto ? attributeSize(proto) : 0) + (more?.length ?? 0);
  const body = Buffer.allocUnsafe(size);
  const header = {
    ifa_family: family === "inet" ? AF_INET : AF_INET6,
    ifa_prefixlen: length,
    ifa_flags: flags & HEADER_FLAGS,
    ifa_scope: RT_SCOPE_UNIVERSE,
    ifa_index: link.index,
  };
  ifaddrmsg.write(body, 0, header, ifaddrmsg.cName);
  let end = writeAttribute(body, ifaddrmsg.size, IFA_LOCAL, bytes);
  end = writeAttribute(body, end, IFA_ADDRESS, bytes);
  if (proto !== undefined) end = writeAttribute(body, end, IFA_PROTO, proto);
  more?.copy(body, end);
  return body;
}
