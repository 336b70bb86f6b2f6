import { helperFlags } from "../../../../ffi/linux/bpf/index.ts";
import { address, ConfinedProgram, LOOPBACK4, protocols } from "./confined-program.ts";
import { entry, Flag } from "./entry.ts";
import { Binding, binding, type ConfinementMaps, Ipv6Only } from "./maps.ts";

/** bind(2) of an IPv4 socket: the wildcard and 127.0.0.1 become the primary address, any other must be own. */
export function bind4(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enter(level);
  p.load32(8, 6, address.ipv4).ifEqual(8, 0, "any").ifEqual(8, LOOPBACK4, "loopback");
  p.keyFrom4(8).unlessKeyOwn("notOwnAddress").set(9, Binding.address).jump("note");
  p.label("any").set(9, Binding.any4).unlessFlag(Flag.ipv4, "nowhere").jump("rewrite");
  p.label("nowhere").load32(1, 7, entry.nowhere).store32(6, address.ipv4, 1).set(9, Binding.none).jump("note");
  p.label("loopback").unlessFlag(Flag.ipv4, "notOwnAddress").set(9, Binding.address);
  p.label("rewrite").load32(1, 7, entry.ipv4).store32(6, address.ipv4, 1);
  return noteBinding(p).answers();
}

/**
 * bind(2) of an IPv6 socket. The kernel makes a socket that is bound to an IPv6 address one for IPv6 alone, so a TCP
 * socket that is to hear both families is bound to the mapped IPv4 address, and the look-up program brings it IPv6.
 */
export function bind6(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enter(level);
  p.sort6(address.ipv6, { any: "any", loopback: "loopback", mapped: "mapped" });
  p.keyFrom6(6, address.ipv6).unlessKeyOwn("notOwnAddress").set(9, Binding.address).jump("note");

  p.label("mapped")
    .unlessFlag(Flag.ipv4, "notOwnAddress")
    .load32(8, 6, address.ipv6 + 12);
  p.ifEqual(8, 0, "any4").ifEqual(8, LOOPBACK4, "loopback4").jump("plain6");
  p.label("any4").set(9, Binding.any4).jump("rewrite4");
  p.label("loopback4").set(9, Binding.address);
  p.label("rewrite4")
    .load32(1, 7, entry.ipv4)
    .store32(6, address.ipv6 + 12, 1)
    .jump("note");

  p.label("any").set(9, Binding.any6).unlessFlag(Flag.ipv6, "only4").unlessFlag(Flag.ipv4, "rewrite6");
  p.storageOf(address.socket, 0).ifNull(0, "byDefault");
  p.load32(1, 0, binding.ipv6Only).ifEqual(1, Ipv6Only.on, "rewrite6").ifEqual(1, Ipv6Only.off, "both");
  p.label("byDefault").unlessFlag(Flag.ipv6OnlyByDefault, "both").jump("rewrite6");
  p.label("both").load32(1, 6, address.protocol).ifEqual(1, protocols.tcp, "listenBoth");
  // A UDP socket that takes any port, to send from: it clashes with no other container's, its sources are chosen for
  // each datagram, and nothing reaches it but what is addressed to the container.
  p.load32(1, 6, address.port).ifEqual(1, 0, "allow").jump("rewrite6");

  // Without IPv6 `::` is the IPv4 addresses. A socket for IPv6 alone may be beside one for 0.0.0.0 and the same port: it
  // is bound where it hears nothing, and the look-up program brings it what no other one takes.
  p.label("only4").storageOf(address.socket, 0).ifNull(0, "only4ByDefault");
  p.load32(1, 0, binding.ipv6Only).ifEqual(1, Ipv6Only.on, "nowhere").ifEqual(1, Ipv6Only.off, "listenBoth");
  p.label("only4ByDefault").unlessFlag(Flag.ipv6OnlyByDefault, "listenBoth").refuse("notOwnAddress");
  p.label("nowhere").load32(1, 7, entry.nowhere).jump("rewriteMapped");
  p.label("listenBoth").load32(1, 7, entry.ipv4);
  p.label("rewriteMapped").storeMapped(6, address.ipv6, 1).jump("note");

  p.label("loopback").unlessFlag(Flag.ipv6, "notOwnAddress").set(9, Binding.address);
  p.label("rewrite6").primary6To(6, address.ipv6);
  return noteBinding(p).answers();
}

/** Counts the port, and notes on a TCP socket what was asked for (r9), for when it listens. */
function noteBinding(p: ConfinedProgram): ConfinedProgram {
  p.label("note").countBound().load32(1, 6, address.protocol).ifNotEqual(1, protocols.tcp, "allow");
  return p.storageOf(address.socket, helperFlags.createStorage).ifNull(0, "noMemory").storeBinding();
}
