import type { Policy, PolicyChange, PolicyPair, PolicyPort, Protocol } from "./policy.ts";
import type { Family } from "./subnet.ts";
import { addressToNumber, storedSubnet } from "./subnet.ts";

/**
 * Connections that are older than the rules. A kernel decides on translation, and pf on everything, when a connection
 * begins, and then asks no rule again: what began before a rule was loaded goes on as if there were none. Here is said
 * which of them do what the rules do not provide for, so that they are deleted and begin anew.
 */

/** One end of a connection. */
export interface End {
  /** As `addressKey` gives it. */
  readonly address: string;
  readonly port: number;
}

/** A connection that the kernel remembers, in the direction in which it was made. */
export interface OlderConnection {
  readonly family: Family;
  /** Undefined: neither TCP nor UDP. */
  readonly protocol: Protocol | undefined;
  /** As it was sent, and what translation made of it. */
  readonly before: { readonly from: End; readonly to: End };
  readonly after: { readonly from: End; readonly to: End };
  /** Both ends have agreed on it: of TCP, the handshake is done. */
  readonly accepted: boolean;
  /** What of it the kernel remembers here: all, or only how it comes in, or how it goes out. */
  readonly passage: "both" | "in" | "out";
}

/** Is it an address of the host itself, other than those that klee gave it for containers? */
export type IsHosts = (family: Family, address: string) => boolean;

/**
 * @param addresses those that the host has but for klee's, as text. Asked for once there is a connection to ask for.
 */
export function hostsAmong(addresses: () => readonly string[]): IsHosts {
  let own: ReadonlySet<string> | undefined;
  return (family, address) => {
    // All of 127/8 is the host's.
    if (family === 4 && address.startsWith("7f")) return true;
    own ??= new Set(addresses().map(keyOfText));
    return own.has(address);
  };
}

export type IsOlder = (connection: OlderConnection) => boolean;

/** An address of 4 or 16 bytes; their order as texts is their order as numbers. */
export const addressKey = (bytes: Buffer): string => bytes.toString("hex");

const keyOf = (family: Family, address: bigint): string => address.toString(16).padStart(family === 4 ? 8 : 32, "0");
const keyOfText = (address: string): string => keyOf(address.includes(":") ? 6 : 4, addressToNumber(address));

/** What a change makes older than itself: connections with addresses that become klee's, and to ports that do. */
export interface Older {
  readonly subnets: readonly string[];
  readonly addresses: readonly string[];
  readonly ports: readonly PolicyPort[];
}

export function olderThan({ add = {}, remove = {} }: PolicyChange): Older {
  const present = (address: string): boolean => address !== "";
  const kept = new Set((remove.ports ?? []).map((port) => JSON.stringify(port)));
  const known = new Set((remove.endpoints ?? []).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]));
  return {
    subnets: (add.networks ?? [])
      .filter(({ exclusive }) => exclusive)
      .flatMap(({ subnet, subnet6 }) => [subnet, subnet6].filter(present)),
    // A network's own addresses are klee's since it was made.
    addresses: (add.endpoints ?? [])
      .filter(({ network }) => !network.exclusive)
      .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
      .filter((address) => present(address) && !known.has(address)),
    ports: (add.ports ?? []).filter((port) => !kept.has(JSON.stringify(port))),
  };
}

/** Is a connection older than the change, and does it go on by what held before? */
export function isOlderThan({ subnets, addresses, ports }: Older, isHosts: IsHosts): IsOlder {
  const ranges = rangesOf([...subnets, ...addresses]);
  const misled = isMisled(ports, isHosts);
  return (connection) => {
    const { family, before, after } = connection;
    const ends = [before.from, before.to, after.from, after.to];
    return ends.some(({ address }) => contain(ranges[family], address)) || misled(connection);
  };
}

/** Does a connection do what the whole policy does not provide for? */
export function isAgainst(policy: Policy, isHosts: IsHosts): IsOlder {
  const gateways = new Set(
    policy.networks
      .flatMap(({ gateway, gateway6 }) => [gateway, gateway6])
      .filter((address) => address !== "")
      .map(keyOfText),
  );
  const memberOf = membership(policy);
  const mayReach = reach(policy);
  const misled = isMisled(policy.ports, isHosts);
  const isHostsOwn: IsHosts = (family, address) => gateways.has(address) || isHosts(family, address);
  return (connection) => {
    if (misled(connection)) return true;
    const { family, before, after, passage } = connection;
    const member = (address: string): Membership | undefined =>
      gateways.has(address) ? undefined : memberOf(family, address);
    const from = member(before.from.address);
    const to = member(after.to.address);
    if (from !== undefined && to !== undefined) return !mayReach(connection, from, to);
    if (from !== undefined) {
      if (gateways.has(after.to.address)) return false;
      if (isHosts(family, after.to.address) || isMulticast(family, after.to.address)) return from.internal;
      if (passage === "in") return false;
      return from.internal || (from.nat !== "" && before.from.address === after.from.address);
    }
    // Nobody outside reaches a container but by a published port.
    return (
      to !== undefined &&
      passage !== "out" &&
      before.to.address === after.to.address &&
      !isHostsOwn(family, before.from.address)
    );
  };
}

type Ranges = Readonly<Record<Family, readonly { readonly first: string; readonly last: string }[]>>;

function rangesOf(subnets: readonly string[]): Ranges {
  const ranges = subnets.map((text) => {
    const { family, first, last } = storedSubnet(
      text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`,
    );
    return { family, first: keyOf(family, first), last: keyOf(family, last) };
  });
  return { 4: ranges.filter(({ family }) => family === 4), 6: ranges.filter(({ family }) => family === 6) };
}

const contain = (ranges: Ranges[Family], address: string): boolean =>
  ranges.some(({ first, last }) => first <= address && address <= last);

/** Was it made to a published port, and leads elsewhere? */
function isMisled(ports: readonly PolicyPort[], isHosts: IsHosts): IsOlder {
  const byPort = new Map<string, { readonly at: string; readonly target: string; readonly port: number }[]>();
  for (const { family, protocol, address, hostPort, containerPort, target } of ports)
    for (let offset = 0; offset <= hostPort.last - hostPort.first; offset += 1) {
      const key = `${family} ${protocol} ${hostPort.first + offset}`;
      const at = address === "" ? "" : keyOfText(address);
      const found = { at, target: keyOfText(target), port: containerPort.first + offset };
      byPort.set(key, [...(byPort.get(key) ?? []), found]);
    }
  return ({ family, protocol, before: { to }, after, accepted, passage }) => {
    const there = byPort.get(`${family} ${protocol} ${to.port}`);
    if (there === undefined || passage === "out") return false;
    const untranslated = after.to.address === to.address && after.to.port === to.port;
    // A program of the host has it, which goes on with those that it has.
    if (protocol === "tcp" && accepted && untranslated) return false;
    const meant = there.filter(({ at }) => (at === "" ? isHosts(family, to.address) : at === to.address));
    return meant.length > 0 && !meant.some(({ target, port }) => target === after.to.address && port === after.to.port);
  };
}

interface Membership {
  readonly id: string;
  readonly icc: boolean;
  readonly internal: boolean;
  readonly nat: string;
}

/** Finds the network that an address is a container's in. */
function membership(policy: Policy): (family: Family, address: string) => Membership | undefined {
  const subnets: { readonly family: Family; readonly first: string; readonly last: string; readonly of: Membership }[] =
    [];
  for (const network of policy.networks) {
    if (!network.exclusive) continue;
    for (const cidr of [network.subnet, network.subnet6]) {
      if (cidr === "") continue;
      const { family, first, last } = storedSubnet(cidr);
      subnets.push({ family, first: keyOf(family, first), last: keyOf(family, last), of: network });
    }
  }
  const single = new Map<string, Membership>();
  for (const { network, ipv4, ipv6 } of policy.endpoints)
    for (const address of [ipv4, ipv6]) if (address !== "") single.set(keyOfText(address), network);
  return (family, address) => {
    const known = single.get(address);
    if (known !== undefined) return known;
    return subnets.find((subnet) => subnet.family === family && subnet.first <= address && address <= subnet.last)?.of;
  };
}

/** May a container of one network reach one of another, or of the same? */
function reach({ pairs, ports }: Policy): (connection: OlderConnection, from: Membership, to: Membership) => boolean {
  const bySource = new Map<string, PolicyPair[]>();
  for (const pair of pairs) {
    const key = keyOfText(pair.source);
    bySource.set(key, [...(bySource.get(key) ?? []), pair]);
  }
  const open = ports.filter((port) => port.open).map((port) => ({ ...port, key: keyOfText(port.target) }));
  return ({ protocol, before, after }, from, to) => {
    if (from.id === to.id && from.icc) return true;
    const paired = (bySource.get(before.from.address) ?? []).some(({ destination }) =>
      "address" in destination ? keyOfText(destination.address) === after.to.address : destination.network.id === to.id,
    );
    if (paired) return true;
    return (
      !from.internal &&
      open.some(
        ({ key, containerPort, protocol: own }) =>
          key === after.to.address &&
          own === protocol &&
          containerPort.first <= after.to.port &&
          after.to.port <= containerPort.last,
      )
    );
  };
}

const isMulticast = (family: Family, address: string): boolean =>
  family === 6 ? address.startsWith("ff") : address >= "e0000000";
