import { isErrno } from "../../errno.ts";
import { decodeCString, encodeCString, FieldError } from "../../struct.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../abi/netlink.ts";
import {
  IFALIASZ,
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_RUNNING,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_AF_SPEC,
  IFLA_EXT_MASK,
  IFLA_GROUP,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFNAMSIZ,
  IN6_ADDR_GEN_MODE_NONE,
  ifinfomsg,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_SETLINK,
} from "../abi/rtnetlink.ts";
import { AF_INET6, ARPHRD_ETHER } from "../abi/socket.ts";
import {
  decodeAttributes,
  decodeU32,
  encodeAttribute,
  encodeNested,
  encodeU32,
  type Message,
  NetlinkFormatError,
} from "../netlink/message.ts";
import type { NetlinkSocket, Request } from "../netlink/socket.ts";

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly loopback: boolean;
  /** An Ethernet in use, on which addresses are asked for. */
  readonly asksForAddresses: boolean;
  /** Its hardware address; empty when it has none. */
  readonly linkAddress: Buffer;
  /** Free text that an administrator gave it; undefined when there is none. */
  readonly alias: string | undefined;
  /** Number of its group; 0 is the group of all that were put in none. */
  readonly group: number;
  /** `bridge`, `dummy`, `veth`; undefined for a device of hardware. */
  readonly kind: string | undefined;
}

/** A link to be made, of the first kind that the kernel has. */
export interface CreateLink {
  readonly name: string;
  /** `bridge`, `dummy`: the word after `type`. */
  readonly kind: string;
  /** Set in the same message that makes the link: unlike the alias, no link is ever without it. */
  readonly group?: number;
  /** Free text. */
  readonly alias?: string;
  /** How its link-local IPv6 address is made, once it is up: `none` for no such address. The kernel decides unless told. */
  readonly addrGenMode?: "none";
  /** Is it to be up? Not unless told. */
  readonly up?: boolean;
}

const askingFlags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK | IFF_NOARP;

/** Errors that say the kernel has no IPv6, or none on this link: EINVAL, EOPNOTSUPP, EAFNOSUPPORT. */
const NO_IPV6 = new Set(["EINVAL", "EOPNOTSUPP", "EAFNOSUPPORT"]);

/** All interfaces. Equivalent to: `ip -details link show`. */
export function listLinks(socket: NetlinkSocket): Link[] {
  return socket.dump(getLink(undefined, "all")).map(decodeLink);
}

/** The interface of that name, or of that index; undefined when there is none. Equivalent to: `ip link show dev NAME`. */
export function findLink(socket: NetlinkSocket, key: string | number): Link | undefined {
  try {
    const [message] = socket.request(getLink(key, String(key)));
    return message && decodeLink(message);
  } catch (error) {
    if (isErrno(error, "ENODEV")) return undefined;
    throw error;
  }
}

/**
 * Makes an interface. Nothing is left when any of what is asked for fails. Equivalent to:
 * `ip link add NAME [group GROUP] type KIND`, `ip link set NAME [alias ALIAS] [addrgenmode none] [up]`.
 *
 * @throws {SyscallError} EEXIST when the name is taken; EOPNOTSUPP when the kernel does not have the kind.
 * @throws {FieldError} when the name or the alias is too long.
 */
export function createLink(
  socket: NetlinkSocket,
  { name, kind, group, alias, addrGenMode, up }: CreateLink,
): Pick<Link, "index" | "name" | "kind"> {
  // Encoded first: an alias that is too long must fail before anything is made.
  const encodedAlias = alias === undefined ? undefined : aliasAttribute(alias);
  socket.request(newLink(name, kind, group));
  const made = findLink(socket, name);
  if (made === undefined) throw new NetlinkFormatError(`${name} vanished right after it was made`);
  // The kernel ignores an alias in the message that makes a link, so it follows at once. The mode comes before the link
  // is up: the address is generated at that moment.
  const aliased = encodedAlias && setLink(made.index, `${name} alias`, 0, encodedAlias);
  const mode = addrGenMode && setLink(made.index, `${name} addrgenmode none`, 0, noLinkLocalAttribute());
  const raised = up ? setLink(made.index, `${name} up`, IFF_UP) : undefined;
  const requests = [aliased, mode, raised].filter((request) => request !== undefined);
  if (requests.length === 0) return { index: made.index, name, kind };
  try {
    for (const [index, { error }] of socket.batch(requests).entries()) {
      if (error === undefined) continue;
      // Without IPv6 there is no such address to be kept from the link.
      if (requests[index] !== mode || !NO_IPV6.has(error.code)) throw error;
    }
  } catch (error) {
    deleteLink(socket, made.index, name);
    throw error;
  }
  return { index: made.index, name, kind };
}

/**
 * Removes an interface with all its addresses; one that is gone already is no error. Equivalent to: `ip link del NAME`.
 *
 * @param name for the error alone: the index says which.
 * @throws {SyscallError}
 */
export function deleteLink(socket: NetlinkSocket, index: number, name: string): void {
  const body = ifinfomsg.encode({ ifi_index: index });
  try {
    socket.request({ call: "RTM_DELLINK", object: name, type: RTM_DELLINK, flags: 0, body });
  } catch (error) {
    if (!isErrno(error, "ENODEV")) throw error;
  }
}

/** The message of `ip link add NAME [group GROUP] type KIND`. */
export function newLink(name: string, kind: string, group?: number): Request {
  const body = Buffer.concat([
    ifinfomsg.encode({}),
    encodeAttribute(IFLA_IFNAME, linkName(name)),
    ...(group === undefined ? [] : [encodeU32(IFLA_GROUP, group)]),
    encodeNested(IFLA_LINKINFO, encodeAttribute(IFLA_INFO_KIND, Buffer.from(kind))),
  ]);
  return { call: "RTM_NEWLINK", object: name, type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body };
}

/** A message that changes a link: sets the flags given, and what the attributes say. */
export function setLink(index: number, object: string, flags: number, ...attributes: readonly Buffer[]): Request {
  const header = ifinfomsg.encode({ ifi_index: index, ifi_flags: flags, ifi_change: flags });
  const body = Buffer.concat([header, ...attributes]);
  return { call: "RTM_SETLINK", object, type: RTM_SETLINK, flags: 0, body };
}

/** @throws {FieldError} when the kernel would refuse it for its length. */
export function aliasAttribute(alias: string): Buffer {
  const text = Buffer.from(alias);
  if (text.length >= IFALIASZ) throw new FieldError(`ifalias: ${text.length} bytes, at most ${IFALIASZ - 1} fit`);
  return encodeAttribute(IFLA_IFALIAS, text);
}

/** No IPv6 link-local address is to be generated. */
export function noLinkLocalAttribute(): Buffer {
  const mode = encodeAttribute(IFLA_INET6_ADDR_GEN_MODE, Buffer.from([IN6_ADDR_GEN_MODE_NONE]));
  return encodeNested(IFLA_AF_SPEC, encodeNested(AF_INET6, mode));
}

/** Reads the kernel's description of a link, RTM_NEWLINK. */
export function decodeLink(message: Message): Link {
  const header = ifinfomsg.decode(message.body);
  const attributes = decodeAttributes(message.body, ifinfomsg.size);
  const info = attributes.get(IFLA_LINKINFO);
  const kind = info && decodeAttributes(info).get(IFLA_INFO_KIND);
  const alias = attributes.get(IFLA_IFALIAS);
  const group = attributes.get(IFLA_GROUP);
  return {
    index: header.ifi_index,
    name: decodeCString(attributes.get(IFLA_IFNAME) ?? Buffer.alloc(0)),
    up: (header.ifi_flags & IFF_UP) !== 0,
    loopback: (header.ifi_flags & IFF_LOOPBACK) !== 0,
    asksForAddresses: header.ifi_type === ARPHRD_ETHER && (header.ifi_flags & askingFlags) === IFF_UP + IFF_RUNNING,
    linkAddress: attributes.get(IFLA_ADDRESS) ?? Buffer.alloc(0),
    alias: alias && decodeCString(alias),
    group: group === undefined ? 0 : decodeU32(group),
    kind: kind && decodeCString(kind),
  };
}

/** @param key a name, an index, or none of both: all. */
function getLink(key: string | number | undefined, object: string): Request {
  const attributes = [encodeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)];
  if (typeof key === "string") attributes.push(encodeAttribute(IFLA_IFNAME, linkName(key)));
  const body = Buffer.concat([ifinfomsg.encode({ ifi_index: typeof key === "number" ? key : 0 }), ...attributes]);
  return { call: "RTM_GETLINK", object, type: RTM_GETLINK, flags: 0, body };
}

function linkName(name: string): Buffer {
  const encoded = encodeCString(name, "interface name");
  if (encoded.length > IFNAMSIZ)
    throw new FieldError(`interface name: "${name}" is ${encoded.length - 1} bytes, at most ${IFNAMSIZ - 1} fit`);
  return encoded;
}
