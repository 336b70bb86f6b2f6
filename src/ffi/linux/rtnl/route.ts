import { isErrno } from "../../errno.ts";
import { type AddressFamily, formatAddress, type Prefix } from "../../inet.ts";
import {
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_MULTIPATH,
  RTA_OIF,
  RTA_PRIORITY,
  RTA_TABLE,
  RTA_VIA,
  RTM_F_FIB_MATCH,
  RTM_GETROUTE,
  RTN_LOCAL,
  RTN_UNICAST,
  RTNH_F_DEAD,
  rtmsg,
  rtnexthop,
} from "../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../abi/socket.ts";
import {
  type Attributes,
  decodeAttributes,
  decodeU32,
  encodeAttribute,
  encodeU32,
  type Message,
} from "../netlink/message.ts";
import type { NetlinkSocket, Request } from "../netlink/socket.ts";
import { decodeLinkAddress, getAddress6 } from "./address.ts";

/** A default route that packets can take. */
export interface DefaultRoute {
  readonly linkIndex: number;
  /** The lower, the better. */
  readonly metric: number;
}

/**
 * The default route of one family in the main table: of several the one with the lowest metric. Routes that lead
 * nowhere (`blackhole`, `unreachable`, a dead link) do not count. Equivalent to: `ip route show default`.
 *
 * @returns undefined when there is none, or no such family.
 * @throws {SyscallError}
 */
export function findDefaultRoute(socket: NetlinkSocket, family: AddressFamily): DefaultRoute | undefined {
  return lowestMetric(
    dumpOf(socket, getRoutes(family))
      .map((message) => decodeDefaultRoute(message, family))
      .filter((route) => route !== undefined),
  );
}

/** The kernel makes the main table with the first route: where no interface ever was up, there is none, ENOENT. */
function dumpOf(socket: NetlinkSocket, request: Request): Message[] {
  try {
    return socket.dump(request);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/**
 * The interfaces that hold these addresses of this host, whichever they are: the kernel's own look-ups, whose cost does
 * not grow with the number of addresses. Equivalent to: `ip route get fibmatch ADDRESS` for each of IPv4,
 * `ip -6 address show to ADDRESS` for the others.
 *
 * @returns for each address in order the interface's index, undefined where the host does not have it.
 * @throws {SyscallError} when the batch as such fails.
 */
export function findAddressHolders(socket: NetlinkSocket, addresses: readonly Prefix[]): (number | undefined)[] {
  // A route to an IPv6 address comes a moment after the address.
  const requests = addresses.map((address) => (address.family === "inet" ? getRoute(address) : getAddress6(address)));
  return socket.batch(requests).map(({ replies: [reply] }, index) => {
    // An error is a route that leads nowhere, ENETUNREACH for the lack of any: not one of this host's addresses.
    const address = addresses[index];
    if (reply === undefined || address === undefined) return undefined;
    return address.family === "inet" ? decodeHolder(reply, address) : decodeLinkAddress(reply)?.linkIndex;
  });
}

/** Chooses among routes; the first of equals. */
export function lowestMetric(routes: readonly DefaultRoute[]): DefaultRoute | undefined {
  return routes.reduce<DefaultRoute | undefined>(
    (best, route) => (best === undefined || route.metric < best.metric ? route : best),
    undefined,
  );
}

/** @returns undefined for any route that is no usable default route of the main table. */
export function decodeDefaultRoute(message: Message, family: AddressFamily): DefaultRoute | undefined {
  const header = rtmsg.decode(message.body);
  const attributes = decodeAttributes(message.body, rtmsg.size);
  // The filter of the request is only a hint: kernels before 4.20 send all tables and families.
  const table = number32(attributes, RTA_TABLE) ?? header.rtm_table;
  if (header.rtm_family !== number(family) || table !== RT_TABLE_MAIN) return undefined;
  if (header.rtm_dst_len !== 0 || header.rtm_type !== RTN_UNICAST) return undefined;
  const linkIndex = outputLink(attributes, header.rtm_flags);
  if (linkIndex === undefined) return undefined;
  return { linkIndex, metric: number32(attributes, RTA_PRIORITY) ?? 0 };
}

/** A router that packets are handed to. */
export interface NextHop {
  readonly linkIndex: number;
  readonly address: string;
}

/** The routers of all routes of a family, in all tables. Equivalent to: `ip route show table all`, what stands after `via`. */
export function listNextHops(socket: NetlinkSocket, family: AddressFamily): NextHop[] {
  // Without the routes to this host's own addresses, of which there may be thousands.
  const body = rtmsg.encode({ rtm_family: number(family), rtm_type: RTN_UNICAST });
  const request = { call: "RTM_GETROUTE", object: `all ${family}`, type: RTM_GETROUTE, flags: 0, body };
  return dumpOf(socket, request).flatMap(decodeNextHops);
}

/** Reads where a route leads, RTM_NEWROUTE: several ways for one of several paths. */
function decodeNextHops(message: Message): NextHop[] {
  const attributes = decodeAttributes(message.body, rtmsg.size);
  const hops = [{ attributes, linkIndex: number32(attributes, RTA_OIF) ?? 0 }];
  const several = attributes.get(RTA_MULTIPATH);
  for (let offset = 0; several !== undefined && offset + rtnexthop.size <= several.length; ) {
    const { rtnh_len, rtnh_ifindex } = rtnexthop.decode(several, offset);
    const end = offset + Math.max(rtnexthop.size, rtnh_len);
    hops.push({
      attributes: decodeAttributes(several.subarray(offset, end), rtnexthop.size),
      linkIndex: rtnh_ifindex,
    });
    offset = end;
  }
  return hops.flatMap(({ attributes: of, linkIndex }) => {
    // RTA_VIA, for an IPv4 route by an IPv6 router, has the family in front.
    const bytes = of.get(RTA_GATEWAY) ?? of.get(RTA_VIA)?.subarray(2);
    return bytes === undefined ? [] : [{ linkIndex, address: formatAddress(bytes) }];
  });
}

/** The route's interface; of several next hops the first that is alive. */
function outputLink(attributes: Attributes, flags: number): number | undefined {
  const hops = attributes.get(RTA_MULTIPATH);
  if (hops === undefined) {
    if ((flags & RTNH_F_DEAD) !== 0) return undefined;
    return number32(attributes, RTA_OIF);
  }
  for (let offset = 0; offset + rtnexthop.size <= hops.length; ) {
    const hop = rtnexthop.decode(hops, offset);
    if ((hop.rtnh_flags & RTNH_F_DEAD) === 0) return hop.rtnh_ifindex;
    offset += Math.max(rtnexthop.size, hop.rtnh_len);
  }
  return undefined;
}

function decodeHolder(reply: Message, address: Prefix): number | undefined {
  const header = rtmsg.decode(reply.body);
  const whole = header.rtm_dst_len === address.bytes.length * 8;
  if (header.rtm_type !== RTN_LOCAL || !whole) return undefined;
  return number32(decodeAttributes(reply.body, rtmsg.size), RTA_OIF);
}

function getRoutes(family: AddressFamily): Request {
  const header = rtmsg.encode({ rtm_family: number(family), rtm_table: RT_TABLE_MAIN });
  const body = Buffer.concat([header, encodeU32(RTA_TABLE, RT_TABLE_MAIN)]);
  return { call: "RTM_GETROUTE", object: `default ${family}`, type: RTM_GETROUTE, flags: 0, body };
}

function getRoute({ family, bytes }: Prefix): Request {
  const header = rtmsg.encode({
    rtm_family: number(family),
    rtm_dst_len: bytes.length * 8,
    rtm_flags: RTM_F_FIB_MATCH,
  });
  const body = Buffer.concat([header, encodeAttribute(RTA_DST, bytes)]);
  return { call: "RTM_GETROUTE", object: formatAddress(bytes), type: RTM_GETROUTE, flags: 0, body };
}

function number32(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value && decodeU32(value);
}

function number(family: AddressFamily): number {
  return family === "inet" ? AF_INET : AF_INET6;
}
