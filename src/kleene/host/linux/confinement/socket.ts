import { contexts, helperFlags } from "../../../../ffi/linux/bpf/index.ts";
import { ConfinedProgram, families, protocols, socket } from "./confined-program.ts";
import { entry, Flag } from "./entry.ts";
import { binding, type ConfinementMaps, Ipv6Only } from "./maps.ts";

const RAW = 3;
/** IPPROTO_IPV6 and IPV6_V6ONLY. */
const ipv6Option = { level: 41, onlyIpv6: 26 } as const;

/**
 * socket(2): only families of which the container has an address, and only protocols whose bind, connect and sendmsg
 * pass the other programs. That one was asked for is noted. A ping socket gets the kernel's own answer to users outside
 * net.ipv4.ping_group_range, so that ping(8) tries a raw socket next.
 */
export function create(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).findContainer(level).store32Immediate(7, entry.sockets, 1);
  p.unlessFlag(Flag.host, "family").jump("type");
  p.label("family").load32(1, 6, socket.family).ifEqual(1, families.inet6, "inet6");
  p.requireFamily(Flag.ipv4).jump("type");
  p.label("inet6").requireFamily(Flag.ipv6);
  p.label("type").load32(1, 6, socket.type).ifEqual(1, RAW, "raw");
  p.load32(1, 6, socket.protocol);
  p.ifEqual(1, protocols.icmp, "noPingSockets").ifEqual(1, protocols.icmp6, "noPingSockets");
  p.ifEqual(1, protocols.tcp, "allow").ifEqual(1, protocols.udp, "allow");
  p.unlessFlag(Flag.host, "noSuchProtocol").jump("allow");
  p.label("raw").unlessFlag(Flag.raw, "noRawSockets").unlessFlag(Flag.host, "mark").jump("allow");
  // bind, connect and sendmsg of a raw socket pass no program: the firewall sets its source, by this mark.
  return p.label("mark").load32(1, 7, entry.mark).store32(6, socket.mark, 1).answers();
}

/** setsockopt(2): notes whether an IPv6 socket is for IPv6 alone, which no other program can see. */
export function option(maps: ConfinementMaps): Buffer {
  const { option: at } = contexts;
  const p = new ConfinedProgram(maps).move(6, 1);
  p.load32(1, 6, at.level).ifNotEqual(1, ipv6Option.level, "pass");
  p.load32(1, 6, at.name).ifNotEqual(1, ipv6Option.onlyIpv6, "pass");
  p.load64(7, 6, at.value).load64(8, 6, at.valueEnd).move(1, 7).add(1, 4).ifGreater(1, 8, "pass");
  p.load32(8, 7, 0);
  p.storageOf(at.socket, helperFlags.createStorage).ifNull(0, "pass");
  p.set(1, Ipv6Only.on).ifNotEqual(8, 0, "store").set(1, Ipv6Only.off);
  p.label("store").store32(0, binding.ipv6Only, 1);
  // A length of 0 has the kernel read the caller's own buffer again, of whatever length it is.
  return p.label("pass").set(1, 0).store32(6, at.length, 1).answers();
}
