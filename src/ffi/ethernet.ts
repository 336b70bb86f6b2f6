import { setTimeout as delay } from "node:timers/promises";
import { encodeAddress, formatAddress } from "./inet.ts";

/**
 * Frames that ask on an Ethernet who has an address without saying that one would have it oneself: an ARP probe
 * (RFC 5227) or a neighbour solicitation of duplicate address detection (RFC 4862); and what tells that somebody has it.
 */
const ETHERNET_HEADER = 14;
export const ETHERTYPE_IP = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
/** The longest frame that is looked at. */
export const FRAME_SIZE = 2048;

const BROADCAST = Buffer.alloc(6, 0xff);
const ARP_SIZE = 28;
const ARP_REQUEST = 1;
const IPV6_HEADER = 40;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const SOLICITATION_SIZE = 24;
/** Packets of other links, which passed a router, have less. */
const HOP_LIMIT = 255;

/** An instruction of the classic BPF, which Linux and FreeBSD share. */
export interface FilterInstruction {
  readonly code: number;
  /** How many instructions to skip when the comparison holds, and when not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

// <linux/bpf_common.h>, <net/bpf.h>: BPF_LD | BPF_H | BPF_ABS, BPF_LD | BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K.
const half = (k: number): FilterInstruction => ({ code: 0x28, jt: 0, jf: 0, k });
const byte = (k: number): FilterInstruction => ({ code: 0x30, jt: 0, jf: 0, k });
const equal = (k: number, jt: number, jf: number): FilterInstruction => ({ code: 0x15, jt, jf, k });
const give = (k: number): FilterInstruction => ({ code: 0x06, jt: 0, jf: 0, k });

/** Of all frames, those that `holderIn` may read. */
export const probeFilter: readonly FilterInstruction[] = [
  half(12),
  equal(ETHERTYPE_ARP, 6, 0),
  equal(ETHERTYPE_IPV6, 0, 6),
  byte(ETHERNET_HEADER + 6),
  equal(ICMPV6, 0, 4),
  byte(ETHERNET_HEADER + IPV6_HEADER),
  equal(SOLICITATION, 1, 0),
  equal(ADVERTISEMENT, 0, 1),
  give(FRAME_SIZE),
  give(0),
];

/** Somebody who has an address. */
export interface AddressHolder {
  readonly address: string;
  /** `02:00:5e:00:53:01`. */
  readonly linkAddress: string;
}

/** `02:00:5e:00:53:01`. */
export function formatLinkAddress(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** The frame that asks for an address. @param own the asking interface's link address, 6 bytes. */
export function probeFrame(own: Uint8Array, address: string): Buffer {
  const target = encodeAddress(address);
  return target.length === 4 ? arpProbe(own, target) : solicitation(own, target);
}

function arpProbe(own: Uint8Array, target: Buffer): Buffer {
  const arp = Buffer.alloc(ARP_SIZE);
  arp.writeUInt16BE(1, 0); // Ethernet
  arp.writeUInt16BE(ETHERTYPE_IP, 2);
  arp[4] = 6;
  arp[5] = 4;
  arp.writeUInt16BE(ARP_REQUEST, 6);
  arp.set(own, 8);
  // The sender's address stays 0.0.0.0: nobody is to learn anything from a probe.
  target.copy(arp, 24);
  return Buffer.concat([header(BROADCAST, own, ETHERTYPE_ARP), arp]);
}

function solicitation(own: Uint8Array, target: Buffer): Buffer {
  const group = encodeAddress("ff02::1:ff00:0");
  target.copy(group, 13, 13);
  const ip = Buffer.alloc(IPV6_HEADER);
  ip.writeUInt32BE(0x6000_0000, 0);
  ip.writeUInt16BE(SOLICITATION_SIZE, 4);
  ip[6] = ICMPV6;
  ip[7] = HOP_LIMIT;
  // From the unspecified address, as one does that has none yet.
  group.copy(ip, 24);
  const icmp = Buffer.alloc(SOLICITATION_SIZE);
  icmp[0] = SOLICITATION;
  target.copy(icmp, 8);
  icmp.writeUInt16BE(checksum(ip, icmp), 2);
  const multicast = Buffer.concat([Buffer.from([0x33, 0x33]), group.subarray(12)]);
  return Buffer.concat([header(multicast, own, ETHERTYPE_IPV6), ip, icmp]);
}

function header(to: Uint8Array, from: Uint8Array, type: number): Buffer {
  return Buffer.concat([to, from, Buffer.from([type >> 8, type & 0xff])]);
}

/** Of ICMPv6, with the pseudo header of RFC 8200. */
function checksum(ip: Buffer, icmp: Buffer): number {
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(icmp.length, 0);
  pseudo[7] = ICMPV6;
  const all = Buffer.concat([ip.subarray(8, IPV6_HEADER), pseudo, icmp]);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) sum += all.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * Who has an address, or is about to take it, by a frame that was received.
 * @param own the link address of the interface that asked: its own frames say nothing.
 * @returns undefined when the frame does not tell.
 */
export function holderIn(frame: Buffer, own: Uint8Array): AddressHolder | undefined {
  if (frame.length < ETHERNET_HEADER) return undefined;
  const from = frame.subarray(6, 12);
  if (from.equals(own)) return undefined;
  const body = frame.subarray(ETHERNET_HEADER);
  const type = frame.readUInt16BE(12);
  if (type === ETHERTYPE_ARP) return holderInArp(body, own);
  return type === ETHERTYPE_IPV6 ? holderInDiscovery(body, from) : undefined;
}

function holderInArp(arp: Buffer, own: Uint8Array): AddressHolder | undefined {
  if (arp.length < ARP_SIZE || arp.readUInt16BE(2) !== ETHERTYPE_IP || arp[4] !== 6 || arp[5] !== 4) return undefined;
  const sender = arp.subarray(8, 14);
  if (sender.equals(own)) return undefined;
  const address = arp.subarray(14, 18);
  // A probe of somebody else's is a claim as well.
  const claimed = address.readUInt32BE(0) === 0 ? arp.subarray(24, 28) : address;
  return { address: formatAddress(claimed), linkAddress: formatLinkAddress(sender) };
}

function holderInDiscovery(packet: Buffer, from: Buffer): AddressHolder | undefined {
  if (packet.length < IPV6_HEADER + SOLICITATION_SIZE || packet[6] !== ICMPV6 || packet[7] !== HOP_LIMIT)
    return undefined;
  const kind = packet[IPV6_HEADER];
  const unspecified = packet.subarray(8, 24).every((byte) => byte === 0);
  if (kind !== ADVERTISEMENT && !(kind === SOLICITATION && unspecified)) return undefined;
  const target = packet.subarray(IPV6_HEADER + 8, IPV6_HEADER + 24);
  return { address: formatAddress(target), linkAddress: formatLinkAddress(from) };
}

/** How often an address is asked for, and how long an answer may take each time. */
const PROBES = 3;
const WAIT_MS = 200;
/** How long to wait before looking for answers again. */
const LOOK_MS = 10;

/** What carries frames of one link. */
export interface LinkFrames {
  /** The link address of the interface, 6 bytes. */
  readonly own: Uint8Array;
  send(frame: Buffer): void;
  /** The frames that came meanwhile; it does not wait for any. */
  receive(): Iterable<Buffer>;
}

/**
 * Asks on a link who has addresses.
 *
 * @returns those that somebody has: as soon as all are known to have one, or when nobody else answered for 0.6 seconds.
 */
export async function askOnLink(link: LinkFrames, addresses: readonly string[]): Promise<AddressHolder[]> {
  const frames = addresses.map((address) => probeFrame(link.own, address));
  const wanted = new Set(addresses);
  const holders = new Map<string, AddressHolder>();
  for (let probe = 0; probe < PROBES; probe += 1) {
    for (const frame of frames) link.send(frame);
    for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; ) {
      for (const frame of link.receive()) {
        const holder = holderIn(frame, link.own);
        if (holder !== undefined && wanted.has(holder.address)) holders.set(holder.address, holder);
      }
      if (holders.size === wanted.size) return [...holders.values()];
      await delay(LOOK_MS);
    }
  }
  return [...holders.values()];
}
