import { contexts, helpers } from "../../../../ffi/linux/bpf/index.ts";
import { ConfinedProgram, KEY_ADDRESS, LOOPBACK6_LAST_WORD, RAW, socket, words } from "./confined-program.ts";
import { entry, Flag, MARK_KEY } from "./entry.ts";
import type { ConfinementMaps } from "./maps.ts";

/** ETH_P_IP and ETH_P_IPV6 in network byte order. */
const protocol = { ipv4: 0x0008, ipv6: 0xdd86 } as const;
/** Offsets of source and destination in the network header, and their lengths, in bytes. */
const header = { ipv4: { source: 12, destination: 16, length: 4 }, ipv6: { source: 8, destination: 24, length: 16 } };
/** The destination on the stack. */
const DESTINATION = -64;

/**
 * Drops what is not addressed to the container itself: some sockets are bound to no address, such as those that listen
 * without bind(2). As in a jail of one address, neither multicast nor broadcast comes in.
 */
export function ingress(maps: ConfinementMaps, level: number): Buffer {
  const { ipv4, ipv6 } = header;
  const p = new ConfinedProgram(maps).enterPacket(level, "drop");
  p.load32(1, 6, contexts.packet.protocol);
  p.ifEqual(1, protocol.ipv6, "ipv6").ifNotEqual(1, protocol.ipv4, "drop");
  load(p, ipv4.destination, ipv4.length, KEY_ADDRESS).load32(8, 10, KEY_ADDRESS).keyFrom4(8).jump("check");
  load(p.label("ipv6"), ipv6.destination, ipv6.length, KEY_ADDRESS);
  return p.label("check").unlessKeyOwn("drop").verdicts("drop");
}

/**
 * Looks at each packet that a container sends, of whatever socket. Its source is the container's own, or was made the
 * host's by translation; nothing goes from an own address to the host's loopback, nor with another container's address or
 * mark. Of a raw socket, whose calls pass no other program, the firewall has made the source the container's own if the
 * packet has the container's mark, which a control message may change.
 */
export function egress(maps: ConfinementMaps, level: number): Buffer {
  const { packet } = contexts;
  const { ipv4, ipv6 } = header;
  const p = new ConfinedProgram(maps).enterPacket(level, "drop").unlessFlag(Flag.raw, "source");
  p.load32(8, 6, packet.mark).load32(9, 7, entry.mark).ifSame(8, 9, "source");
  p.load64(1, 6, packet.socket).ifNull(1, "drop").call(helpers.fullSocket).ifNull(0, "drop");
  p.load32(1, 0, socket.type).ifEqual(1, RAW, "drop").ifEqual(8, 0, "source");
  // The firewall would give it the address of whose mark it has.
  for (const word of words) p.store32Immediate(10, KEY_ADDRESS + word, MARK_KEY.readInt32LE(word));
  p.store32(10, KEY_ADDRESS + 12, 8)
    .unlessKeyKnown("source")
    .jump("drop");

  p.label("source").load32(1, 6, packet.protocol);
  p.ifEqual(1, protocol.ipv6, "ipv6").ifNotEqual(1, protocol.ipv4, "drop");
  load(p, ipv4.source, 2 * ipv4.length, DESTINATION)
    .load32(8, 10, DESTINATION)
    .load32(9, 10, DESTINATION + 4);
  p.keyFrom4(8).unlessKeyKnown("allow").unlessSameContainer("drop");
  p.and(9, 0xff).ifEqual(9, 0x7f, "drop").jump("allow");

  load(p.label("ipv6"), ipv6.source, ipv6.length, KEY_ADDRESS).unlessKeyKnown("allow").unlessSameContainer("drop");
  load(p, ipv6.destination, ipv6.length, DESTINATION).load32(1, 10, DESTINATION);
  for (const word of [4, 8]) p.load32(2, 10, DESTINATION + word).or(1, 2);
  p.ifNotEqual(1, 0, "allow")
    .load32(1, 10, DESTINATION + 12)
    .ifNotEqual(1, LOOPBACK6_LAST_WORD, "allow");
  return p.jump("drop").verdicts("drop");
}

function load(p: ConfinedProgram, offset: number, length: number, to: number): ConfinedProgram {
  p.move(1, 6).set(2, offset).move(3, 10).add(3, to).set(4, length).call(helpers.packetLoadBytes);
  return p.ifNotEqual(0, 0, "drop");
}
