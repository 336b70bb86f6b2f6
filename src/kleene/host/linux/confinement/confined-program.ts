import { Assembler, contexts, helpers, type Register } from "../../../../ffi/linux/bpf/index.ts";
import { entry, Flag } from "./entry.ts";
import { addressKey, binding, type ConfinementMaps, owner, usage } from "./maps.ts";

/** What the kernel answers in a jail, by what is the matter; numbers of Linux's errno.h. */
const refusals = {
  notOwnAddress: 99, // EADDRNOTAVAIL
  noSuchFamily: 97, // EAFNOSUPPORT
  unreachable: 101, // ENETUNREACH
  noSuchOption: 92, // ENOPROTOOPT
  noInterface: 19, // ENODEV
  tooManySockets: 105, // ENOBUFS
  noPortLeft: 98, // EADDRINUSE
  noSuchProtocol: 93, // EPROTONOSUPPORT
  noRawSockets: 1, // EPERM
  noPingSockets: 13, // EACCES
  noMemory: 12, // ENOMEM
  nobodyListens: 111, // ECONNREFUSED
} as const;

export type Refusal = keyof typeof refusals;

/** Addresses are compared as 32-bit words in memory's order on a little-endian machine. */
export const LOOPBACK4 = 0x0100007f;
export const LOOPBACK6_LAST_WORD = 0x01000000;
/** The third word of ::ffff:0:0/96. */
export const MAPPED_WORD = 0xffff0000;

export const protocols = { tcp: 6, udp: 17, icmp: 1, icmp6: 58 } as const;
/** SOCK_RAW */
export const RAW = 3;
export const families = { inet: 2, inet6: 10 } as const;

export const words = [0, 4, 8, 12] as const;

/** TCP_TIMEWAIT_LEN of the kernel, in nanoseconds. */
const MINUTE_NS = 60_000_000_000n;

/** The stack below r10: a key of `addresses`. */
const KEY = -32;
const NAMESPACE = KEY + addressKey.namespace;
const ADDRESS = KEY + addressKey.address;
/** The container's cgroup id. */
export const CGROUP = -8;
/** A struct sockaddr_in or sockaddr_in6. */
export const SOCKET_ADDRESS = -64;

/**
 * A program that knows the container it runs for. In all of it r6 is the context, r7 the container's entry; the label
 * `allow` lets the call pass, and each {@link Refusal} is a label as well.
 */
export class ConfinedProgram extends Assembler {
  readonly maps: ConfinementMaps;

  constructor(maps: ConfinementMaps) {
    super();
    this.maps = maps;
  }

  /**
   * Finds the container of the calling process. A cgroup that nobody registered may do nothing: EPERM. The host's
   * network is not confined.
   *
   * @param level depth of a container's cgroup below the root of the hierarchy.
   */
  enter(level: number): this {
    return this.findContainer(level).unlessFlag(Flag.host, "confined").jump("allow").label("confined");
  }

  /** {@link enter}, for what concerns containers on the host's network too. */
  findContainer(level: number): this {
    this.move(6, 1).set(1, level).call(helpers.currentAncestorCgroupId).store64(10, CGROUP, 0);
    return this.loadEntry("unregistered", (program) => program.set(0, 0).exit());
  }

  /** {@link enter}, for a packet: the container is that of its socket. `otherwise` gets what has none. */
  enterPacket(level: number, otherwise: string): this {
    this.move(6, 1).set(2, level).call(helpers.packetAncestorCgroupId).store64(10, CGROUP, 0);
    return this.loadEntry(otherwise).unlessFlag(Flag.host, "confined").jump("allow").label("confined");
  }

  /** Finds the container whose cgroup id is on the stack. */
  loadEntry(otherwise: string, stop?: (program: this) => unknown): this {
    this.loadMap(1, this.maps.containers).move(2, 10).add(2, CGROUP).call(helpers.mapLookup);
    if (stop === undefined) this.ifNull(0, otherwise);
    else stop(this.ifNotNull(0, "registered").label(otherwise));
    return this.label("registered").move(7, 0).load64(1, 7, entry.namespace).store64(10, NAMESPACE, 1);
  }

  /** To the label when a flag of the container is not set. Spoils r1. */
  unlessFlag(flag: number, label: string): this {
    return this.load32(1, 7, entry.flags).and(1, flag).ifEqual(1, 0, label);
  }

  /** To the label when a flag of the container is set. Spoils r1. */
  ifFlag(flag: number, label: string): this {
    return this.load32(1, 7, entry.flags).and(1, flag).ifNotEqual(1, 0, label);
  }

  refuse(refusal: Refusal): this {
    return this.jump(refusal);
  }

  /** Refuses a destination of a family of which the container has no address. Spoils r1. */
  requireRoute(flag: typeof Flag.ipv4 | typeof Flag.ipv6): this {
    return this.unlessFlag(flag, "unreachable" satisfies Refusal);
  }

  /** Writes an IPv4 address, mapped into IPv6, from the register. Spoils r2. */
  storeMapped(to: Register, offset: number, address: Register): this {
    this.set(2, 0)
      .store32(to, offset, 2)
      .store32(to, offset + 4, 2);
    this.set(2, MAPPED_WORD).store32(to, offset + 8, 2);
    return this.store32(to, offset + 12, address);
  }

  /** Copies an address of four words to the key. Spoils r2. */
  keyFrom6(from: Register, offset: number): this {
    for (const word of words) this.load32(2, from, offset + word).store32(10, ADDRESS + word, 2);
    return this;
  }

  /** Makes the IPv4 address in the register the key's, mapped. */
  keyFrom4(address: Register): this {
    this.store32Immediate(10, ADDRESS, 0).store32Immediate(10, ADDRESS + 4, 0);
    return this.store32Immediate(10, ADDRESS + 8, MAPPED_WORD).store32(10, ADDRESS + 12, address);
  }

  /** To the label when the key's address is no mapped one. Spoils r1. */
  unlessKeyMapped(label: string): this {
    this.load32(1, 10, ADDRESS)
      .ifNotEqual(1, 0, label)
      .load32(1, 10, ADDRESS + 4)
      .ifNotEqual(1, 0, label);
    return this.load32(1, 10, ADDRESS + 8).ifNotEqual(1, MAPPED_WORD, label);
  }

  /** To the label when the key's address is `::`. Spoils r1 and r2. */
  ifKeyUnspecified(label: string): this {
    this.load32(1, 10, ADDRESS);
    for (const word of [4, 8, 12]) this.load32(2, 10, ADDRESS + word).or(1, 2);
    return this.ifEqual(1, 0, label);
  }

  /** To the label unless the key's address is the container's own. Spoils r0 to r5. */
  unlessKeyOwn(label: string): this {
    return this.unlessKeyKnown(label).unlessSameContainer(label);
  }

  /** To the label unless the key is some container's, whose {@link owner} r0 is then. Spoils r0 to r5. */
  unlessKeyKnown(label: string): this {
    return this.loadMap(1, this.maps.addresses).move(2, 10).add(2, KEY).call(helpers.mapLookup).ifNull(0, label);
  }

  /** To the label unless r0 is this container's. Spoils r1 and r2. */
  unlessSameContainer(label: string): this {
    return this.load64(1, 0, owner.cgroup).load64(2, 10, CGROUP).ifDifferent(1, 2, label);
  }

  /** Copies the container's primary IPv6 address. Spoils r1. */
  primary6To(to: Register, offset: number): this {
    for (const word of words) this.load32(1, 7, entry.ipv6 + word).store32(to, offset + word, 1);
    return this;
  }

  /**
   * Sorts the IPv6 address at `offset` of the context: goes on after this, unless it is `::`, `::1` or a mapped one.
   * Spoils r1.
   */
  sort6(offset: number, labels: { readonly any: string; readonly loopback: string; readonly mapped: string }): this {
    this.load32(1, 6, offset)
      .ifNotEqual(1, 0, "plain6")
      .load32(1, 6, offset + 4)
      .ifNotEqual(1, 0, "plain6");
    this.load32(1, 6, offset + 8)
      .ifEqual(1, MAPPED_WORD, labels.mapped)
      .ifNotEqual(1, 0, "plain6");
    this.load32(1, 6, offset + 12)
      .ifEqual(1, 0, labels.any)
      .ifEqual(1, LOOPBACK6_LAST_WORD, labels.loopback);
    return this.label("plain6");
  }

  /** {@link storageOf}, where the context is the socket itself. */
  storageOfContext(flags: number): this {
    return this.move(2, 6).loadMap(1, this.maps.bindings).set(3, 0).set(4, flags).call(helpers.socketStorage);
  }

  /** Finds what the container has of the host's ports: it is at r0. Spoils r1 to r5. */
  usageOf(otherwise: string): this {
    return this.loadMap(1, this.maps.usages).move(2, 10).add(2, CGROUP).call(helpers.mapLookup).ifNull(0, otherwise);
  }

  /** Refuses to count a socket beyond the container's ports. Spoils r0 to r5. */
  countSocket(): this {
    this.usageOf("noMemory").set(1, 1).addAtomically(0, usage.sockets, 1);
    this.load32(2, 7, entry.ports).ifAtLeast(1, 2, "full").jump("counted");
    this.label("full").set(1, -1).addAtomically(0, usage.sockets, 1).refuse("tooManySockets");
    return this.label("counted");
  }

  /**
   * Counts a port that is about to be bound, and refuses more in a minute than the container may have: a bound port stays
   * taken for so long after the end of its connections, and nobody hears of its release. Spoils r0 to r5 and r8.
   */
  countBound(): this {
    this.call(helpers.now).move(8, 0).usageOf("noMemory").load64(1, 0, usage.since).move(2, 8).subtract(2, 1);
    this.set64(1, MINUTE_NS).ifGreater(1, 2, "thisMinute").store64(0, usage.since, 8);
    this.set(1, 0).store64(0, usage.bound, 1).label("thisMinute").load64(1, 0, usage.bound);
    this.load32(2, 7, entry.ports).ifAtLeast(1, 2, "noPortLeft" satisfies Refusal);
    return this.set(1, 1).addAtomically(0, usage.bound, 1);
  }

  /** Looks for what the context's socket has stored: r0 is null when there is nothing. Spoils r1 to r5. */
  storageOf(socketAt: number, flags: number): this {
    return this.load64(2, 6, socketAt)
      .loadMap(1, this.maps.bindings)
      .set(3, 0)
      .set(4, flags)
      .call(helpers.socketStorage);
  }

  /** Notes on a socket whose storage is at r0 what its bind asked for: the kind is in r9. Spoils r1. */
  storeBinding(): this {
    return this.load64(1, 10, CGROUP).store64(0, binding.cgroup, 1).store32(0, binding.kind, 9);
  }

  /** Gives an unbound socket the source address at SOCKET_ADDRESS; what has a port already cannot take one. */
  bindSource(length: number): this {
    this.move(1, 6)
      .move(2, 10)
      .add(2, SOCKET_ADDRESS)
      .set(3, length)
      .call(helpers.bind)
      .ifNotEqual(0, 0, "notOwnAddress");
    return this.jump("allow");
  }

  /** r8 is a destination: 0.0.0.0 and 127.0.0.1 go to the label; the rest of 127/8, the host's own, is refused. */
  ifLoopback4(label: string): this {
    this.ifEqual(8, 0, label).ifEqual(8, LOOPBACK4, label);
    return this.move(1, 8)
      .and(1, 0xff)
      .ifEqual(1, 0x7f, "notOwnAddress" satisfies Refusal);
  }

  /** The end of a program for a system call: its answers. */
  answers(): Buffer {
    this.label("allow").set(0, 1).exit();
    for (const [refusal, errno] of Object.entries(refusals)) {
      if (this.isTarget(refusal)) this.label(refusal).set(1, -errno).call(helpers.setReturnValue).set(0, 0).exit();
    }
    return this.assemble();
  }

  /** The end of a program for a packet. */
  verdicts(drop: string): Buffer {
    return this.label("allow").set(0, 1).exit().label(drop).set(0, 0).exit().assemble();
  }
}

export const address = contexts.address;
export const socket = contexts.socket;
/** Where a key's address lies on the stack. */
export const KEY_ADDRESS = ADDRESS;
