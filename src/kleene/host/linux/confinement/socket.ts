import { contexts, helperFlags } from "../../../../ffi/linux/bpf/index.ts";
import { CGROUP, ConfinedProgram, families, protocols, RAW, socket } from "./confined-program.ts";
import { entry, Flag } from "./entry.ts";
import { binding, type ConfinementMaps, Ipv6Only, LISTENING, usage } from "./maps.ts";

/** Options by level, <netinet/in.h>. */
const ip = { level: 0, portRange: 51, join: [35, 39, 42, 46] } as const;
const ipv6 = { level: 41, only: 26, join: [20, 27, 42, 46] } as const;

/**
 * socket(2): both families where the container has an address of any, since programs expect them to be there; and only
 * protocols whose bind, connect and sendmsg pass the other programs. Whose it is is noted on the socket, and that one was
 * asked for. A ping socket gets the kernel's own answer to users outside net.ipv4.ping_group_range, so that ping(8) tries
 * a raw socket next.
 */
export function create(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).findContainer(level).store32Immediate(7, entry.sockets, 1);
  p.load32(8, 6, socket.type);
  p.unlessFlag(Flag.host, "confined").ifEqual(8, RAW, "raw").load32(1, 6, socket.protocol);
  p.ifEqual(1, protocols.icmp, "noPingSockets").ifEqual(1, protocols.icmp6, "noPingSockets").jump("allow");
  p.label("confined").ifEqual(8, RAW, "family");
  p.unlessFlag(Flag.ipv4 | Flag.ipv6, "noSuchFamily").load32(1, 6, socket.protocol);
  p.ifEqual(1, protocols.icmp, "noPingSockets").ifEqual(1, protocols.icmp6, "noPingSockets");
  p.ifEqual(1, protocols.tcp, "note").ifNotEqual(1, protocols.udp, "noSuchProtocol");
  p.label("note").storageOfContext(helperFlags.createStorage).ifNull(0, "noMemory").move(9, 0).countSocket();
  p.load64(1, 10, CGROUP).store64(9, binding.cgroup, 1).jump("allow");

  // bind, connect and sendmsg of a raw socket pass no program: there must be an address of its family, and the firewall
  // makes it the source, by this mark.
  p.label("family").load32(1, 6, socket.family).ifEqual(1, families.inet6, "inet6");
  p.unlessFlag(Flag.ipv4, "noSuchFamily").jump("raw");
  p.label("inet6").unlessFlag(Flag.ipv6, "noSuchFamily");
  p.label("raw").unlessFlag(Flag.raw, "noRawSockets").unlessFlag(Flag.host, "mark").jump("allow");
  return p.label("mark").load32(1, 7, entry.mark).store32(6, socket.mark, 1).jump("note").answers();
}

/** The end of a socket that was counted. */
export function release(maps: ConfinementMaps): Buffer {
  const p = new ConfinedProgram(maps).move(6, 1).storageOfContext(0).ifNull(0, "allow").move(9, 0);
  p.load64(1, 9, binding.cgroup).ifNull(1, "allow").store64(10, CGROUP, 1).usageOf("allow");
  p.set(1, -1).addAtomically(0, usage.sockets, 1).load32(2, 9, binding.kind).and(2, LISTENING).ifNull(2, "allow");
  return p.set(1, -1).addAtomically(0, usage.listeners, 1).answers();
}

/**
 * setsockopt(2). Notes whether an IPv6 socket is for IPv6 alone, which no other program can see; where there is no IPv6 it
 * stays one for both, since the kernel binds none for IPv6 alone to an IPv4 address. Nobody chooses the ports of sockets
 * that are not bound, which have no address. Without a way out no group is joined: the host would tell its network.
 */
export function option(maps: ConfinementMaps): Buffer {
  const { option: at } = contexts;
  const p = new ConfinedProgram(maps).move(6, 1);
  p.load32(8, 6, at.name).load32(1, 6, at.level).ifEqual(1, ip.level, "ip").ifNotEqual(1, ipv6.level, "pass");
  for (const name of [ipv6.only, ...ipv6.join]) p.ifEqual(8, name, "known");
  p.jump("pass").label("ip");
  for (const name of [ip.portRange, ...ip.join]) p.ifEqual(8, name, "known");
  p.jump("pass");
  // Sockets of the host's network, and those that the host made, have nothing stored.
  p.label("known").storageOf(at.socket, 0).ifNull(0, "pass").move(9, 0);
  p.load64(1, 9, binding.cgroup).store64(10, CGROUP, 1).loadEntry("pass");
  p.ifEqual(8, ip.portRange, "noSuchOption").ifEqual(8, ipv6.only, "only");
  p.unlessFlag(Flag.internal, "pass").refuse("noInterface");

  p.label("only").load64(8, 6, at.value).load64(1, 6, at.valueEnd).move(2, 8).add(2, 4).ifGreater(2, 1, "pass");
  p.set(1, Ipv6Only.off).load32(2, 8, 0).ifEqual(2, 0, "store").set(1, Ipv6Only.on);
  p.label("store").store32(9, binding.ipv6Only, 1).ifNotEqual(1, Ipv6Only.on, "pass");
  p.load32(1, 7, entry.flags)
    .and(1, Flag.ipv4 | Flag.ipv6)
    .ifNotEqual(1, Flag.ipv4, "pass");
  p.store32Immediate(8, 0, 0).set(1, 4).store32(6, at.length, 1).jump("allow");
  // A length of 0 has the kernel read the caller's own buffer again, of whatever length it is.
  return p.label("pass").set(1, 0).store32(6, at.length, 1).answers();
}
