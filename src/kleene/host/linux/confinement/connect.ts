import {
  address,
  ConfinedProgram,
  families,
  LOOPBACK4,
  MAPPED_WORD,
  SOCKET_ADDRESS,
  socket,
} from "./confined-program.ts";
import { entry, Flag } from "./entry.ts";
import type { ConfinementMaps } from "./maps.ts";

// A bound source is looked at before one is given: with IP_BIND_ADDRESS_NO_PORT a socket has an address and no port,
// and binding it would silently replace its address by the primary one.

/** connect(2) of an IPv4 socket: from an own address, and never to the host's loopback. */
export function connect4(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enter(level).requireRoute(Flag.ipv4);
  p.load32(9, 7, entry.ipv4).load32(8, 6, address.ipv4).ifLoopback4("own").jump("source");
  p.label("own").store32(6, address.ipv4, 9);
  p.label("source").load64(1, 6, address.socket).load32(8, 1, socket.source4).ifEqual(8, 0, "bind");
  p.keyFrom4(8).unlessKeyOwn("notOwnAddress").jump("allow");
  p.label("bind").store32Immediate(10, SOCKET_ADDRESS, families.inet);
  p.store32(10, SOCKET_ADDRESS + 4, 9).store32Immediate(10, SOCKET_ADDRESS + 8, 0);
  return p
    .store32Immediate(10, SOCKET_ADDRESS + 12, 0)
    .bindSource(16)
    .answers();
}

/** connect(2) of an IPv6 socket, to an IPv6 or to a mapped IPv4 address. */
export function connect6(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enter(level);
  p.sort6(address.ipv6, { any: "own", loopback: "own", mapped: "mapped" });
  p.requireRoute(Flag.ipv6).jump("source");
  p.label("own").requireRoute(Flag.ipv6).primary6To(6, address.ipv6);
  p.label("source").load64(1, 6, address.socket).keyFrom6(1, socket.source6).ifKeyUnspecified("bind6");
  p.unlessKeyMapped("checkSource").refuse("noSuchFamily");
  p.label("checkSource").unlessKeyOwn("notOwnAddress").jump("allow");

  p.label("mapped").requireRoute(Flag.ipv4);
  p.load32(9, 7, entry.ipv4)
    .load32(8, 6, address.ipv6 + 12)
    .ifLoopback4("own4")
    .jump("source4");
  p.label("own4").store32(6, address.ipv6 + 12, 9);
  p.label("source4").load64(1, 6, address.socket).keyFrom6(1, socket.source6).ifKeyUnspecified("bind4");
  // From a socket with an IPv6 address the kernel would send as 127.0.0.6. getaddrinfo(3) of glibc, which asks in this
  // way for the source of each address it found, goes on with a socket of the other family after this answer.
  p.unlessKeyMapped("noSuchFamily").jump("checkSource");

  p.label("bind6")
    .primary6To(10, SOCKET_ADDRESS + 8)
    .jump("bind");
  p.label("bind4").store32Immediate(10, SOCKET_ADDRESS + 8, 0);
  p.store32Immediate(10, SOCKET_ADDRESS + 12, 0).store32Immediate(10, SOCKET_ADDRESS + 16, MAPPED_WORD);
  p.store32(10, SOCKET_ADDRESS + 20, 9).label("bind");
  p.store32Immediate(10, SOCKET_ADDRESS, families.inet6).store32Immediate(10, SOCKET_ADDRESS + 4, 0);
  return p
    .store32Immediate(10, SOCKET_ADDRESS + 24, 0)
    .bindSource(28)
    .answers();
}

/** sendmsg(2) to an IPv4 address, of an IPv4 or an IPv6 socket: the source may come from a control message. */
export function send4(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enter(level).requireRoute(Flag.ipv4);
  p.load32(9, 7, entry.ipv4).load32(8, 6, address.ipv4).ifLoopback4("own").jump("source");
  p.label("own").store32(6, address.ipv4, 9);
  p.label("source").load32(8, 6, address.source4).ifEqual(8, 0, "choose").ifEqual(8, LOOPBACK4, "choose");
  p.keyFrom4(8).unlessKeyOwn("notOwnAddress").jump("allow");
  return p.label("choose").store32(6, address.source4, 9).answers();
}

/** sendmsg(2) to an IPv6 address. One to a mapped address comes to {@link send4}. */
export function send6(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enter(level).requireRoute(Flag.ipv6);
  p.sort6(address.ipv6, { any: "own", loopback: "own", mapped: "notOwnAddress" }).jump("source");
  p.label("own").primary6To(6, address.ipv6);
  p.label("source").keyFrom6(6, address.source6).ifKeyUnspecified("choose");
  p.unlessKeyMapped("checkSource").refuse("noSuchFamily");
  p.label("checkSource").unlessKeyOwn("notOwnAddress").jump("allow");
  return p.label("choose").primary6To(6, address.source6).answers();
}
