import { encodeAddress } from "../../../../ffi/inet.ts";
import type { NetworkAccess } from "../../host.ts";
import { markOf } from "./mark.ts";

/** What the programs must know of one container. The first address of a family is its primary one. */
export interface ConfinementSpec {
  readonly access: NetworkAccess;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly rawSockets: boolean;
  /** May it reach unix sockets without a file, the host's and others' among them? */
  readonly abstractSockets?: boolean | undefined;
  /** Has it no way out of its networks? */
  readonly internal?: boolean | undefined;
  /** Ports of the host that it may have; undefined: as many as before, {@link PORTS_DEFAULT} when it is new. */
  readonly ports?: number | undefined;
}

/** Less than a third of the ports from which the kernel chooses. */
export const PORTS_DEFAULT = 8192;

/** Addresses of one family that a container can have. */
export const ADDRESSES_MAX = 16;

/** Listeners that a container can have for the look-up program to find. */
export const LISTENERS_MAX = 1024;

/** Bits of an entry's flags. */
export const Flag = {
  raw: 1,
  ipv4: 2,
  ipv6: 4,
  /** The host's network: nothing is confined but raw and ping sockets. */
  host: 8,
  /** The host's default for sockets that did not say: IPv6 sockets are for IPv6 alone. */
  ipv6OnlyByDefault: 16,
  /** No way out of its networks. */
  internal: 32,
  /** Unix sockets without a file may be reached. */
  abstractSockets: 64,
} as const;

/** Where things are in a container's entry, in bytes; the lists are for klee, not for the programs. */
export const entry = {
  namespace: 0,
  flags: 8,
  mark: 12,
  ipv4: 16,
  count4: 20,
  count6: 22,
  ipv6: 24,
  list4: 40,
  list6: 104,
  /** Has a process asked for a socket? Written by the programs. */
  sockets: 360,
  /** {@link nowhere} */
  nowhere: 364,
  /** See {@link ConfinementSpec.ports}; 0: not given. */
  ports: 368,
  size: 376,
} as const;

/**
 * An address of the host's loopback that is the container's own, to bind to what is to hear nothing: an IPv4 socket where
 * there is no IPv4, or one for IPv6 alone where there is no IPv6. What goes there reaches no container.
 */
export function nowhere(cgroup: bigint): Buffer {
  const address = Buffer.alloc(4);
  address.writeUInt32BE(Number(0x7f80_0000n + (cgroup & 0x7f_ffffn)));
  return address;
}

/** Where a container is: what cannot be read from its spec. */
export interface Surroundings {
  /** Number of its network namespace. */
  readonly namespace: bigint;
  /** Default of IPv6 sockets there. */
  readonly ipv6Only: boolean;
}

/** A container's entry. A container without addresses of a family cannot make sockets of it. */
export function encodeEntry(id: string, spec: ConfinementSpec, { namespace, ipv6Only }: Surroundings): Buffer {
  const confined = spec.access === "addresses";
  const ipv4 = confined ? spec.ipv4.map(encodeAddress) : [];
  const ipv6 = confined ? spec.ipv6.map(encodeAddress) : [];
  const encoded = Buffer.alloc(entry.size);
  for (const [index, address] of ipv4.entries()) encoded.set(address, entry.list4 + 4 * index);
  for (const [index, address] of ipv6.entries()) encoded.set(address, entry.list6 + 16 * index);
  encoded.copy(encoded, entry.ipv4, entry.list4, entry.list4 + 4);
  encoded.copy(encoded, entry.ipv6, entry.list6, entry.list6 + 16);
  encoded.writeUInt16LE(ipv4.length, entry.count4);
  encoded.writeUInt16LE(ipv6.length, entry.count6);
  encoded.writeBigUInt64LE(namespace, entry.namespace);
  encoded.writeUInt32LE(
    (spec.rawSockets ? Flag.raw : 0) |
      (spec.access === "host" ? Flag.host : 0) |
      (ipv4.length > 0 ? Flag.ipv4 : 0) |
      (ipv6.length > 0 ? Flag.ipv6 : 0) |
      (spec.abstractSockets ? Flag.abstractSockets : 0) |
      (spec.internal ? Flag.internal : 0) |
      (ipv6Only ? Flag.ipv6OnlyByDefault : 0),
    entry.flags,
  );
  encoded.writeUInt32LE(markOf(id), entry.mark);
  encoded.writeUInt32LE(spec.ports ?? 0, entry.ports);
  return encoded;
}

/** All addresses in an entry, 16 bytes each: IPv4 ones mapped. */
export function addressesIn(encoded: Buffer): Buffer[] {
  const part = (start: number, size: number, count: number): Buffer[] =>
    Array.from({ length: count }, (_, index) => mapped(encoded.subarray(start + size * index).subarray(0, size)));
  return [
    ...part(entry.list4, 4, encoded.readUInt16LE(entry.count4)),
    ...part(entry.list6, 16, encoded.readUInt16LE(entry.count6)),
  ];
}

/**
 * Stands for addresses: the mark of a container's raw sockets, in place of the last word, is a key as its addresses are.
 * No container has an address of ff00::/8.
 */
export const MARK_KEY = Buffer.from("ffff0000000000000000000000000000", "hex");

/** What else is a container's alone: the mark of its raw sockets. */
export function marksIn(encoded: Buffer): Buffer[] {
  if ((encoded.readUInt32LE(entry.flags) & Flag.raw) === 0) return [];
  const key = Buffer.from(MARK_KEY);
  key.set(encoded.subarray(entry.mark, entry.mark + 4), 12);
  return [key];
}

export const isMark = (key: Buffer): boolean => key.subarray(0, 12).equals(MARK_KEY.subarray(0, 12));

/** Number of the network namespace in an entry. */
export function namespaceIn(encoded: Buffer): bigint {
  return encoded.readBigUInt64LE(entry.namespace);
}

function mapped(address: Buffer): Buffer {
  return address.length === 16 ? address : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), address]);
}
