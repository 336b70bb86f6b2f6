import { BlockList } from "node:net";
import type { pf } from "../../../src/ffi/freebsd/index.ts";

/** A packet at one passage of the filter. */
export interface Packet {
  readonly direction: "in" | "out";
  readonly interface: string;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly tag?: string;
}

export interface Verdict {
  readonly passed: boolean;
  readonly stateful: boolean;
  readonly packet: Packet;
}

const familyOf = (address: string): 4 | 6 => (address.includes(":") ? 6 : 4);

/**
 * Evaluates rules as pf.conf(5) describes it: the first translation that fits, the last filter rule that does, unless one
 * is quick; anchors in the order of their names. Written after the manual, not after the encoder that it checks.
 */
export class Evaluator {
  readonly #anchors: ReadonlyMap<string, pf.PfAnchor>;
  /** Addresses by interface; an interface whose name begins with lo or kleene is in the group lo. */
  readonly #interfaces: Readonly<Record<string, readonly string[]>>;

  constructor(anchors: readonly pf.PfAnchor[], interfaces: Readonly<Record<string, readonly string[]>>) {
    this.#anchors = new Map(anchors.map((anchor) => [anchor.anchor, anchor]));
    this.#interfaces = interfaces;
  }

  /** What becomes of a packet that the main ruleset hands to the anchor, and passes where the anchor says nothing. */
  judge(packet: Packet, root: string): Verdict {
    const translated = this.#translate(packet, root, packet.direction === "out" ? "nat" : "rdr") ?? packet;
    const last = this.#filter(translated, root);
    return {
      passed: last.rule === undefined || last.rule.action === "pass",
      stateful: last.rule?.keepState === true || translated !== packet,
      packet: translated,
    };
  }

  #translate(packet: Packet, path: string, ruleset: "nat" | "rdr"): Packet | undefined {
    for (const rule of this.#anchors.get(path)?.rules?.[ruleset] ?? []) {
      if (!this.#fits(rule, packet, path)) continue;
      if (rule.anchorCall !== undefined) {
        for (const child of this.#called(path, rule.anchorCall)) {
          const found = this.#translate(packet, child, ruleset);
          if (found !== undefined) return found;
        }
        continue;
      }
      if (rule.target === undefined) return packet;
      const { address, ports } = rule.target;
      const tag = rule.tag === undefined ? {} : { tag: rule.tag };
      if (ruleset === "nat") {
        const own = "interface" in address ? this.#interfaces[address.interface] : undefined;
        const source = own?.find((candidate) => familyOf(candidate) === familyOf(packet.source));
        return source === undefined ? packet : { ...packet, ...tag, source };
      }
      const offset = packet.port - (rule.destination?.ports?.first ?? packet.port);
      const destination = "network" in address ? address.network : packet.destination;
      return { ...packet, ...tag, destination, port: ports === undefined ? packet.port : ports.first + offset };
    }
    return undefined;
  }

  #filter(packet: Packet, path: string): { rule: pf.PfRule | undefined; quick: boolean } {
    let last: pf.PfRule | undefined;
    for (const rule of this.#anchors.get(path)?.rules?.filter ?? []) {
      if (!this.#fits(rule, packet, path)) continue;
      if (rule.anchorCall === undefined) {
        if (rule.quick) return { rule, quick: true };
        last = rule;
        continue;
      }
      for (const child of this.#called(path, rule.anchorCall)) {
        const inner = this.#filter(packet, child);
        if (inner.quick) return inner;
        last = inner.rule ?? last;
      }
    }
    return { rule: last, quick: false };
  }

  #called(path: string, call: string): string[] {
    const base = `${path}/${call.replace(/\/\*$/, "")}`;
    if (!call.endsWith("/*")) return [base];
    return [...this.#anchors.keys()].filter((name) => name.startsWith(`${base}/`)).sort();
  }

  #fits(rule: pf.PfRule, packet: Packet, path: string): boolean {
    const inGroup = rule.interface === "lo" && /^(lo|kleene)\d+$/.test(packet.interface);
    const onInterface = rule.interface === undefined || rule.interface === packet.interface || inGroup;
    return (
      onInterface !== (rule.notInterface === true) &&
      (rule.direction === undefined || rule.direction === packet.direction) &&
      (rule.family === undefined || rule.family === familyOf(packet.destination)) &&
      (rule.protocol === undefined || rule.protocol === packet.protocol) &&
      rule.icmpType === undefined &&
      (rule.tagged === undefined || rule.tagged === packet.tag) &&
      this.#within(rule.source?.address, packet.source, path) &&
      this.#within(rule.destination?.address, packet.destination, path) &&
      (rule.destination?.ports === undefined ||
        (packet.port >= rule.destination.ports.first && packet.port <= rule.destination.ports.last))
    );
  }

  #within(address: pf.PfAddress | undefined, value: string, path: string): boolean {
    if (address === undefined) return true;
    if ("network" in address) return contains([address.network], value);
    if ("table" in address) return contains(this.#anchors.get(path)?.tables?.[address.table] ?? [], value);
    const { interface: name } = address;
    return contains(name === "self" ? Object.values(this.#interfaces).flat() : (this.#interfaces[name] ?? []), value);
  }
}

function contains(networks: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = "", length] = network.split("/");
    const type = familyOf(base) === 6 ? "ipv6" : "ipv4";
    list.addSubnet(base, length === undefined ? (type === "ipv6" ? 128 : 32) : Number(length), type);
  }
  return list.check(address, familyOf(address) === 6 ? "ipv6" : "ipv4");
}
