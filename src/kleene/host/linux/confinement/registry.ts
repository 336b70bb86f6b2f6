import { formatAddress } from "../../../../ffi/inet.ts";
import * as bpf from "../../../../ffi/linux/bpf/index.ts";
import { KleeError } from "../../../errors.ts";
import { addressesIn, entry, Flag, isMark, marksIn, namespaceIn, nowhere, PORTS_DEFAULT } from "./entry.ts";
import { addressKey, type ConfinementMaps, owner, usage } from "./maps.ts";

/** The containers that the programs know, by cgroup id. */
export class Registry {
  readonly #maps: ConfinementMaps;
  readonly #isLive: (cgroup: bigint) => boolean;

  /** @param isLive is there a container with this cgroup? What others left behind is taken over. */
  constructor(maps: ConfinementMaps, isLive: (cgroup: bigint) => boolean) {
    this.#maps = maps;
    this.#isLive = isLive;
  }

  /**
   * Writes a container's entry, or replaces it: the change is seen at the next call of any process there. Its
   * addresses are the container's before the entry names them, and those that it loses are taken away last.
   *
   * @throws {KleeError} CONFLICT when an address is another container's; nothing has changed then.
   */
  put(cgroup: bigint, encoded: Buffer): void {
    const present = this.#entryOf(cgroup);
    encoded.set(nowhere(cgroup), entry.nowhere);
    if (encoded.readUInt32LE(entry.ports) === 0)
      encoded.writeUInt32LE(present?.readUInt32LE(entry.ports) ?? PORTS_DEFAULT, entry.ports);
    if (present === undefined) bpf.updateElement(this.#maps.usages, cgroupKey(cgroup), Buffer.alloc(usage.size));
    // What the programs note while it is replaced would be lost.
    if (present !== undefined) encoded.writeUInt32LE(1, entry.sockets);
    const before = this.#keys(present);
    const after = this.#keys(encoded);
    const kept = new Set(after.map((key) => key.toString("hex")));
    const had = new Set(before.map((key) => key.toString("hex")));
    const value = Buffer.alloc(owner.size);
    value.writeBigUInt64LE(cgroup, owner.cgroup);
    // Without IPv6, listeners for IPv6 alone are found by the look-up program alone.
    const alone = addressesIn(encoded).length === 1 && (encoded.readUInt32LE(entry.flags) & Flag.ipv6) !== 0;
    value.writeUInt32LE(alone ? 0 : 1, owner.looked);
    const added: Buffer[] = [];
    try {
      for (const key of after) {
        if (!had.has(key.toString("hex"))) added.push(key);
        this.#claim(key, value, cgroup);
      }
      bpf.updateElement(this.#maps.containers, cgroupKey(cgroup), encoded);
    } catch (error) {
      for (const key of added) this.#release(key, cgroup);
      throw error;
    }
    for (const key of before) if (!kept.has(key.toString("hex"))) this.#release(key, cgroup);
  }

  /**
   * Removes the entry of a container. One that is not known is no error.
   *
   * @returns false when none of its processes asked for a socket; true when nobody knows.
   */
  remove(cgroup: bigint): boolean {
    const present = this.#entryOf(cgroup);
    for (const key of this.#keys(present)) this.#release(key, cgroup);
    bpf.deleteElement(this.#maps.containers, cgroupKey(cgroup));
    bpf.deleteElement(this.#maps.usages, cgroupKey(cgroup));
    return present?.readUInt32LE(entry.sockets) !== 0;
  }

  /** How many of its listeners found no place in its map. */
  lostListeners(cgroup: bigint): number {
    const found = bpf.lookupElement(this.#maps.usages, cgroupKey(cgroup), usage.size);
    return Number(found?.readBigUInt64LE(usage.lost) ?? 0n);
  }

  /** Lets a container have so many ports from now on; what it has beyond that it keeps. */
  limitPorts(cgroup: bigint, ports: number): void {
    const present = this.#entryOf(cgroup);
    if (present === undefined) return;
    present.writeUInt32LE(ports, entry.ports);
    present.writeUInt32LE(1, entry.sockets);
    bpf.updateElement(this.#maps.containers, cgroupKey(cgroup), present);
  }

  #entryOf(cgroup: bigint): Buffer | undefined {
    return bpf.lookupElement(this.#maps.containers, cgroupKey(cgroup), entry.size);
  }

  #keys(encoded: Buffer | undefined): Buffer[] {
    if (encoded === undefined) return [];
    return [...addressesIn(encoded), ...marksIn(encoded)].map((address) => {
      const key = Buffer.alloc(addressKey.size);
      key.writeBigUInt64LE(namespaceIn(encoded), addressKey.namespace);
      key.set(address, addressKey.address);
      return key;
    });
  }

  #claim(key: Buffer, value: Buffer, cgroup: bigint): void {
    if (bpf.addElement(this.#maps.addresses, key, value)) return;
    const other = this.#ownerOf(key);
    const bytes = key.subarray(addressKey.address);
    // Two containers may have the same mark.
    if (!isMark(bytes) && other !== undefined && other !== cgroup && this.#isLive(other)) {
      const address = formatAddress(bytes).replace(/^::ffff:(?=.*\.)/, "");
      throw new KleeError("CONFLICT", `${address} is another container's address`);
    }
    bpf.updateElement(this.#maps.addresses, key, value);
  }

  #release(key: Buffer, cgroup: bigint): void {
    if (this.#ownerOf(key) === cgroup) bpf.deleteElement(this.#maps.addresses, key);
  }

  #ownerOf(key: Buffer): bigint | undefined {
    return bpf.lookupElement(this.#maps.addresses, key, owner.size)?.readBigUInt64LE(owner.cgroup);
  }
}

function cgroupKey(cgroup: bigint): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(cgroup);
  return key;
}
