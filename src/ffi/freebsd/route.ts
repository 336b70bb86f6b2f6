import {
  PF_ROUTE,
  RTA_DST,
  RTA_GATEWAY,
  RTA_NETMASK,
  RTF_BLACKHOLE,
  RTF_REJECT,
  RTF_UP,
  RTM_VERSION,
  rtMsghdr,
} from "./abi/route.ts";

import { AF_INET, AF_INET6, sockaddrIn, sockaddrIn6 } from "./abi/socket.ts";
import { CTL_NET, NET_RT_DUMP } from "./abi/sysctl.ts";
import { listInterfaces } from "./ifaddrs.ts";
import { formatInet, formatInet6, prefixLengthOf } from "./inet.ts";
import { type Mib, sysctlBytesAt } from "./sysctl.ts";

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

const families = { inet: AF_INET, inet6: AF_INET6 } as const;
/** Sockaddrs in a message are padded to multiples of a long; one of length 0 takes a long as well. */
const LONG_SIZE = 8;
/** Room for the routes of most hosts, in bytes; one takes some 300. */
const ROOM = 64 * 1024;

/** The sysctl that gives the routes of a family. */
export function routesMib(family: RouteFamily): Mib {
  return [CTL_NET, PF_ROUTE, 0, families[family], NET_RT_DUMP, 0];
}

/** The sockaddrs after a message's head, by their RTA_* bit. */
function sockaddrs(message: Buffer, addrs: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at: number = rtMsghdr.size;
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
  const type = family === "inet" ? sockaddrIn : sockaddrIn6;
  const whole = Buffer.alloc(type.size);
  sockaddr.copy(whole);
  return family === "inet" ? sockaddrIn.decode(whole).sin_addr : sockaddrIn6.decode(whole).sin6_addr;
}

/** Reads the answer of the sysctl. */
export function decodeRoutes(answer: Buffer, family: RouteFamily): Route[] {
  const routes: Route[] = [];
  const text = family === "inet" ? formatInet : formatInet6;
  const bits = family === "inet" ? 32 : 128;
  for (let at = 0; at + rtMsghdr.size <= answer.length; ) {
    const head = rtMsghdr.decode(answer, at);
    if (head.rtm_msglen === 0) break;
    const addresses = sockaddrs(answer.subarray(at, at + head.rtm_msglen), head.rtm_addrs);
    at += head.rtm_msglen;
    const destination = addresses.get(RTA_DST);
    if (head.rtm_version !== RTM_VERSION || destination === undefined) continue;
    const mask = addresses.get(RTA_NETMASK);
    const gateway = addresses.get(RTA_GATEWAY);
    routes.push({
      family,
      destination: text(addressBytes(family, destination)),
      prefixLength: mask === undefined ? bits : prefixLengthOf(addressBytes(family, mask)),
      gateway: gateway?.[1] === families[family] ? text(addressBytes(family, gateway)) : undefined,
      interfaceIndex: head.rtm_index,
      flags: head.rtm_flags,
    });
  }
  return routes;
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
