import { contexts, helpers } from "../../../../ffi/linux/bpf/index.ts";
import { ConfinedProgram, KEY_ADDRESS } from "./confined-program.ts";
import type { ConfinementMaps } from "./maps.ts";

/** ETH_P_IP and ETH_P_IPV6 in network byte order. */
const protocol = { ipv4: 0x0008, ipv6: 0xdd86 } as const;
/** Offsets in the network header, and lengths, in bytes. */
const destination = { ipv4: { offset: 16, length: 4 }, ipv6: { offset: 24, length: 16 } } as const;

/**
 * Drops what is not addressed to the container itself: some sockets are bound to no address, such as those that listen
 * without bind(2). As in a jail of one address, neither multicast nor broadcast comes in.
 */
export function ingress(maps: ConfinementMaps, level: number): Buffer {
  const p = new ConfinedProgram(maps).enterPacket(level, "drop");
  p.load32(1, 6, contexts.packet.protocol);
  p.ifEqual(1, protocol.ipv6, "ipv6").ifNotEqual(1, protocol.ipv4, "drop");
  load(p, destination.ipv4, KEY_ADDRESS).load32(8, 10, KEY_ADDRESS).keyFrom4(8).jump("check");
  load(p.label("ipv6"), destination.ipv6, KEY_ADDRESS);
  return p.label("check").unlessKeyOwn("drop").verdicts("drop");
}

function load(p: ConfinedProgram, { offset, length }: { offset: number; length: number }, to: number): ConfinedProgram {
  p.move(1, 6).set(2, offset).move(3, 10).add(3, to).set(4, length).call(helpers.packetLoadBytes);
  return p.ifNotEqual(0, 0, "drop");
}
