import { formatLinkAddress } from "../ethernet.ts";
import { formatAddress, prefixLengthOf } from "../inet.ts";
import {
  PF_ROUTE,
  RTA_DST,
  RTA_GATEWAY,
  RTA_NETMASK,
  RTF_BLACKHOLE,
  RTF_LLINFO,
  RTF_REJECT,
  RTF_UP,
  RTM_VERSION,
  rt_msghdr,
} from "./abi/route.ts";
import { AF_INET, AF_INET6, AF_LINK, sockaddr_dl, sockaddr_in, sockaddr_in6 } from "./abi/socket.ts";
import { CTL_NET, NET_RT_DUMP, NET_RT_FLAGS } from "./abi/sysctl.ts";
import { listInterfaces } from "./ifaddrs.ts";
import { type Mib, sysctlBytesAt } from "./sysctl.ts";

/** The address family of a route. */
export type RouteFamily = "inet" | "inet6";

/** A route of the default routing table. */
export interface Route {
  readonly family: RouteFamily;
  /** Network or host address. */
  readonly destination: string;
  /** Bits; 0 for the default route. */
  readonly prefixLength: number;
  /** Next hop; undefined where the destination is on the link. */
  readonly gateway: string | undefined;
  /** Index of the interface that packets leave by. */
  readonly interfaceIndex: number;
  /** RTF_* of net/route.h. */
  readonly flags: number;
}

/** Who has an address on a link, as the kernel knows. */
export interface Neighbour {
  readonly address: string;
  readonly interfaceIndex: number;
  /** `02:00:5e:00:53:01`. */
  readonly linkAddress: string;
}

const families = { inet: AF_INET, inet6: AF_INET6 } as const;
/** Sockaddrs in a message are padded to multiples of a long; one of length 0 takes a long as well. */
const LONG_SIZE = 8;
/** Room for the routes of most hosts, in bytes; one takes some 300. */
const ROOM = 64 * 1024;

/** The sysctl that gives the routes of a family. */
export function routesMib(family: RouteFamily): Mib {
  return [CTL_NET, PF_ROUTE, 0, families[family], NET_RT_DUMP, 0];
}

/** The sysctl that gives the neighbours of a family, arp(4) and ndp(4). */
export function neighboursMib(family: RouteFamily): Mib {
  return [CTL_NET, PF_ROUTE, 0, families[family], NET_RT_FLAGS, RTF_LLINFO];
}

/** The sockaddrs after a message's head, by their RTA_* bit. */
function sockaddrs(message: Buffer, addrs: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at: number = rt_msghdr.size;
  for (let bit = 1; bit <= addrs && at < message.length; bit <<= 1) {
    if ((addrs & bit) === 0) continue;
    const length = message[at] ?? 0;
    found.set(bit, message.subarray(at, at + length));
    at += Math.max(LONG_SIZE, Math.ceil(length / LONG_SIZE) * LONG_SIZE);
  }
  return found;
}

/** The address in a sockaddr, whose trailing zeros may be cut off. */
function addressBytes(family: RouteFamily, sockaddr: Buffer): Buffer {
  const type = family === "inet" ? sockaddr_in : sockaddr_in6;
  const whole = Buffer.alloc(type.size);
  sockaddr.copy(whole);
  return family === "inet" ? sockaddr_in.decode(whole).sin_addr : sockaddr_in6.decode(whole).sin6_addr;
}

/** The messages of an answer, each with its sockaddrs by their RTA_* bit. */
function* messages(answer: Buffer): Generator<{
  readonly head: ReturnType<typeof rt_msghdr.decode>;
  readonly addresses: Map<number, Buffer>;
}> {
  for (let at = 0; at + rt_msghdr.size <= answer.length; ) {
    const head = rt_msghdr.decode(answer, at);
    if (head.rtm_msglen === 0) return;
    const addresses = sockaddrs(answer.subarray(at, at + head.rtm_msglen), head.rtm_addrs);
    at += head.rtm_msglen;
    if (head.rtm_version === RTM_VERSION) yield { head, addresses };
  }
}

const textOf = (family: RouteFamily, sockaddr: Buffer): string => formatAddress(addressBytes(family, sockaddr));

/** Reads the answer of the sysctl. */
export function decodeRoutes(answer: Buffer, family: RouteFamily): Route[] {
  const routes: Route[] = [];
  const bits = family === "inet" ? 32 : 128;
  for (const { head, addresses } of messages(answer)) {
    const destination = addresses.get(RTA_DST);
    if (destination === undefined) continue;
    const mask = addresses.get(RTA_NETMASK);
    const gateway = addresses.get(RTA_GATEWAY);
    routes.push({
      family,
      destination: textOf(family, destination),
      prefixLength: mask === undefined ? bits : prefixLengthOf(addressBytes(family, mask)),
      gateway: gateway?.[1] === families[family] ? textOf(family, gateway) : undefined,
      interfaceIndex: head.rtm_index,
      flags: head.rtm_flags,
    });
  }
  return routes;
}

/** Reads the answer of the neighbours' sysctl; those that were asked for in vain have no link address. */
export function decodeNeighbours(answer: Buffer, family: RouteFamily): Neighbour[] {
  return [...messages(answer)].flatMap(({ head, addresses }) => {
    const [address, link] = [addresses.get(RTA_DST), addresses.get(RTA_GATEWAY)];
    if (address === undefined || link === undefined || link[1] !== AF_LINK) return [];
    const whole = Buffer.alloc(Math.max(sockaddr_dl.size, link.length));
    link.copy(whole);
    const { sdl_nlen, sdl_alen, sdl_index } = sockaddr_dl.decode(whole);
    if (sdl_alen === 0) return [];
    const start = sockaddr_dl.fields.sdl_data[0] + sdl_nlen;
    const linkAddress = formatLinkAddress(whole.subarray(start, start + sdl_alen));
    return [{ address: textOf(family, address), interfaceIndex: head.rtm_index || sdl_index, linkAddress }];
  });
}

/** Whom the kernel knows on its links, by the sysctl net.route (route(4)). @throws {SyscallError} */
export function neighbours(family: RouteFamily): Neighbour[] {
  return decodeNeighbours(sysctlBytesAt(neighboursMib(family)), family);
}

/** The routes of a family, by the sysctl net.route (route(4)). @throws {SyscallError} */
export function routes(family: RouteFamily): Route[] {
  return decodeRoutes(sysctlBytesAt(routesMib(family), ROOM), family);
}

/** The route that packets take for which there is no better one, if they get anywhere by it. */
export function pickDefault(list: readonly Route[]): Route | undefined {
  return list.find(
    ({ prefixLength, flags }) =>
      prefixLength === 0 && (flags & RTF_UP) !== 0 && (flags & (RTF_REJECT | RTF_BLACKHOLE)) === 0,
  );
}

/** Name of the interface of the default route, or undefined when there is none. @throws {SyscallError} */
export function defaultInterface(family: RouteFamily): string | undefined {
  const index = pickDefault(routes(family))?.interfaceIndex;
  return index === undefined ? undefined : listInterfaces().find((entry) => entry.index === index)?.name;
}
