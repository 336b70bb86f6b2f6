import * as pf from "../../../ffi/freebsd/pf/index.ts";
import {
  ANYWHERE,
  type Policy,
  type PolicyEndpoint,
  type PolicyNetwork,
  type PolicyPair,
  type PolicyPort,
} from "../../network/policy.ts";
import type { Family } from "../../network/subnet.ts";

/**
 * The policy as pf rules and tables. The rules of the root anchor are the same for every policy; what there is of a
 * network or container is a table's elements, or an anchor of its own, so that one more changes nothing else:
 *
 *     klee                      what holds for all containers
 *     klee/unheld               what comes from an address that nobody has
 *     klee/within/NETWORK       who may reach the network's containers
 *     klee/pairs/CONTAINER      connections between two addresses
 *     klee/ports/CONTAINER      published ports
 *     klee/nat/INTERFACE        who is translated when leaving by it
 *     klee/any/INTERFACE        who is translated whatever they leave by: the same for each interface
 *
 * A container's packets are the host's own. To another container, or to the host, they go out and come in again by a
 * loopback interface, and each time are judged; a dropped one of its own gives the sender EACCES at once.
 */
export const ROOT = "klee";
export const UNHELD = `${ROOT}/unheld`;
export const within = (networkId: string): string => `${ROOT}/within/${networkId}`;
export const pairsOf = (containerId: string): string => `${ROOT}/pairs/${containerId}`;
export const portsOf = (containerId: string): string => `${ROOT}/ports/${containerId}`;
export const natOf = (interfaceName: string): string => `${ROOT}/nat/${interfaceName}`;
export const ANY = `${ROOT}/any`;
/** The anchors that translate a network: of all interfaces by which packets leave, pf takes but one address at a time. */
export function translating({ nat }: PolicyNetwork, outward: readonly string[]): { anchor: string; by: string }[] {
  if (nat === ANYWHERE) return outward.map((by) => ({ anchor: `${ANY}/${by}`, by }));
  return nat === "" ? [] : [{ anchor: natOf(nat), by: nat }];
}
/** The anchors within the root that hold others. */
export const BRANCHES = ["within", "pairs", "ports", "nat", "any"] as const;

/** Tables of the root anchor: all containers, those that have no way out, and what containers lost while they run. */
export const CONTAINERS = "containers";
export const INTERNAL = "internal";
export const WITHDRAWN = "withdrawn";
/** Of those, the addresses of networks whose blocked packets are logged. */
export const LOGGED = "logged";
export const LOGGED_INTERNAL = "logged_internal";
/** Tables of a network's anchor: its own addresses, and those of other networks' members that reach it. */
export const MEMBERS = "members";
export const GUESTS = "guests";

/** The mark of packets that a published port redirected. */
const PUBLISHED = "klee";
/** Group of all loopback interfaces, those that klee makes among them. */
const LOOPBACKS = "lo";
/** The loopback interface by which packets to the host's own addresses go. */
export const LOOPBACK = "lo0";
/** All of the host's addresses, at the time of the packet. */
const SELF: pf.PfAddress = { interface: "self" };
/** Source ports of translated connections, those that pfctl(8) takes by default. */
const NAT_PORTS: pf.PfPorts = { first: 50001, last: 65535 };

const keep: Pick<pf.PfRule, "keepState" | "flags"> = {
  keepState: true,
  flags: { set: pf.TH_SYN, of: pf.TH_SYN | pf.TH_ACK },
};
const from = (table: string): Pick<pf.PfRule, "source"> => ({ source: { address: { table } } });
const to = (table: string): Pick<pf.PfRule, "destination"> => ({ destination: { address: { table } } });

const neighbours = [pf.ND_NEIGHBOR_SOLICIT, pf.ND_NEIGHBOR_ADVERT].map(
  (icmpType): pf.PfRule => ({ action: "pass", quick: true, family: 6, protocol: pf.IPPROTO_ICMPV6, icmpType }),
);
const fromOutside = {
  action: "block",
  direction: "in",
  quick: true,
  interface: LOOPBACKS,
  notInterface: true,
} as const;

/** What goes to an address of the host, a container's among them, goes by a loopback interface: this is all the rest. */
const outward = { interface: LOOPBACKS, notInterface: true } as const;
const nobody: pf.PfEnd = { address: SELF, not: true };

/** Of what a container's subnet sends, or sockets that keep an address of no such subnet; translation comes before the filter, which would see another source. */
const unheldRules: NonNullable<pf.PfAnchor["rules"]> = {
  nat: [{ action: "no nat", ...outward, source: nobody }],
  filter: [{ action: "block", direction: "out", quick: true, ...outward, source: nobody, label: "klee: withdrawn" }],
};

/**
 * Sockets of a jail that name the loopback mean its own address, but for raw ones: their packets would reach the host's
 * services. Answers to the host, which came by a published port, belong to a connection that was let in.
 */
const hostsLoopback = (["127.0.0.0/8", "::1"] as const).map(
  (network): pf.PfRule => ({
    action: "block",
    direction: "out",
    quick: true,
    ...from(CONTAINERS),
    family: network.includes(":") ? 6 : 4,
    destination: { address: { network } },
    label: "klee: the host's loopback",
  }),
);

/** A rule that blocks, after the same one for what is logged: as ends, each of which is a table of logged addresses. */
function blocking(rule: pf.PfRule, ...logged: readonly Pick<pf.PfRule, "source" | "destination">[]): pf.PfRule[] {
  return [...logged.map((ends) => ({ ...rule, ...ends, log: true })), rule];
}

/** The root anchor's rules: rulesets by name. */
export const rootRules = {
  nat: [
    { action: "nat", anchorCall: "unheld", ...from(CONTAINERS) },
    { action: "nat", anchorCall: "unheld", ...from(WITHDRAWN) },
    { action: "nat", anchorCall: "nat/*" },
    { action: "nat", anchorCall: "any/*" },
  ],
  rdr: [
    { action: "no rdr", ...to(CONTAINERS) },
    { action: "rdr", anchorCall: "ports/*" },
  ],
  filter: [
    ...neighbours,
    ...blocking(
      { action: "block", direction: "out", quick: true, ...outward, ...to(CONTAINERS), label: "klee: nobody has it" },
      to(LOGGED),
    ),
    ...hostsLoopback,
    { action: "pass", ...from(CONTAINERS), anchorCall: "unheld" },
    { action: "pass", ...from(WITHDRAWN), anchorCall: "unheld" },
    ...blocking({ ...fromOutside, ...from(CONTAINERS), label: "klee: not from outside" }, from(LOGGED)),
    { action: "pass", anchorCall: "pairs/*" },
    { action: "pass", anchorCall: "within/*" },
    ...blocking({ action: "block", quick: true, ...from(INTERNAL), label: "klee: internal" }, from(LOGGED_INTERNAL)),
    { action: "pass", ...from(CONTAINERS), anchorCall: "ports/*" },
    ...blocking(
      { action: "block", quick: true, ...from(CONTAINERS), ...to(CONTAINERS), label: "klee: isolation" },
      from(LOGGED),
      to(LOGGED),
    ),
    { action: "pass", quick: true, tagged: PUBLISHED, ...keep },
    ...blocking({ ...fromOutside, ...to(CONTAINERS), label: "klee: not published" }, to(LOGGED)),
    { action: "pass", quick: true, ...to(CONTAINERS), ...keep },
    // Not the last word: a rule of the administrator's that follows may forbid it.
    { action: "pass", ...from(CONTAINERS), ...keep },
  ],
} as const satisfies NonNullable<pf.PfAnchor["rules"]>;

const present = (address: string): boolean => address !== "";

/** What a network puts into the tables of all containers and of its own. */
export function networkAddresses({ exclusive, subnet, subnet6 }: PolicyNetwork): string[] {
  return exclusive ? [subnet, subnet6].filter(present) : [];
}

/** What an endpoint puts there; nothing where the network's subnet says it already. */
export function endpointAddresses({ network, ipv4, ipv6 }: PolicyEndpoint): string[] {
  return network.exclusive ? [] : [ipv4, ipv6].filter(present);
}

/** A network's anchor, without the endpoints that are not in its subnets. */
export function networkAnchor(network: PolicyNetwork): pf.PfAnchor {
  const gateways = [network.gateway, network.gateway6].filter(present);
  const sources = network.icc ? [MEMBERS, GUESTS] : [MEMBERS];
  const pass = (source: string, rest: Partial<pf.PfRule>): pf.PfRule => ({
    action: "pass",
    quick: true,
    ...from(source),
    ...rest,
    ...keep,
  });
  return {
    anchor: within(network.id),
    rules: {
      filter: [
        ...(network.icc ? sources.map((source) => pass(source, to(MEMBERS))) : []),
        ...gateways.flatMap((address) =>
          sources.map((source) =>
            pass(source, { family: familyOf(address), destination: { address: { network: address } } }),
          ),
        ),
      ],
    },
    tables: { [MEMBERS]: networkAddresses(network), [GUESTS]: [] },
  };
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);

/** The rules that translate what leaves by an interface; the same for every policy. */
export function natRules(interfaceName: string): pf.PfRule[] {
  return ([4, 6] as const).map((family) => ({
    action: "nat",
    interface: interfaceName,
    family,
    ...from(MEMBERS),
    target: { address: { interface: interfaceName }, ports: NAT_PORTS },
  }));
}

/** A container's anchor of connections between two addresses. */
export function pairAnchor(containerId: string, pairs: readonly PolicyPair[]): pf.PfAnchor {
  const filter = pairs.flatMap(({ family, source, destination }): pf.PfRule[] =>
    "address" in destination
      ? [
          {
            action: "pass",
            quick: true,
            family,
            source: { address: { network: source } },
            destination: { address: { network: destination.address } },
            ...keep,
          },
        ]
      : [],
  );
  return { anchor: pairsOf(containerId), rules: { filter } };
}

/** Where connections to a published port arrive: by which interface, and to which of the host's addresses. */
function places({ interface: name, address }: PolicyPort): { on?: string; to: pf.PfAddress }[] {
  if (address !== "") return [{ to: { network: address } }];
  if (name === "") return [{ to: SELF }];
  return [
    { on: name, to: { interface: name } },
    { on: LOOPBACK, to: SELF },
  ];
}

/** A container's anchor of published ports. */
export function portAnchor(containerId: string, ports: readonly PolicyPort[]): pf.PfAnchor {
  const rdr = ports.flatMap((port) =>
    places(port).map(
      (place): pf.PfRule => ({
        action: "rdr",
        ...(place.on !== undefined && { interface: place.on }),
        family: port.family,
        protocol: protocolOf(port),
        destination: { address: place.to, ports: port.hostPort },
        tag: PUBLISHED,
        target: { address: { network: port.target }, ports: port.containerPort },
      }),
    ),
  );
  const filter = ports
    .filter(({ open }) => open)
    .map(
      (port): pf.PfRule => ({
        action: "pass",
        quick: true,
        family: port.family,
        protocol: protocolOf(port),
        destination: { address: { network: port.target }, ports: port.containerPort },
        keepState: true,
        ...(port.protocol === "tcp" && { flags: keep.flags }),
      }),
    );
  // The same container port may be published at several places: pf takes an equal rule once.
  return { anchor: portsOf(containerId), rules: { rdr, filter: distinct(filter) } };
}

const protocolOf = ({ protocol }: PolicyPort): number => (protocol === "tcp" ? pf.IPPROTO_TCP : pf.IPPROTO_UDP);

function distinct(rules: readonly pf.PfRule[]): pf.PfRule[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

/** Addresses that other networks' members reach a network from, by the network's id. */
export function guestsOf(pairs: readonly PolicyPair[]): Map<string, string[]> {
  const guests = new Map<string, string[]>();
  for (const { source, destination } of pairs) {
    if (!("network" in destination)) continue;
    guests.set(destination.network.id, [...(guests.get(destination.network.id) ?? []), source]);
  }
  return guests;
}

/** The containers that a part of a policy speaks of. */
export function containersIn({ endpoints = [], pairs = [], ports = [] }: Partial<Policy>): string[] {
  return [...new Set([...endpoints, ...pairs, ...ports].map(({ containerId }) => containerId))];
}

/** The anchors of one container; without rules where it has none of a kind. */
export function containerAnchors(containerId: string, { pairs = [], ports = [] }: Partial<Policy>): pf.PfAnchor[] {
  const own = <T extends { readonly containerId: string }>(items: readonly T[]): T[] =>
    items.filter((item) => item.containerId === containerId);
  return [pairAnchor(containerId, own(pairs)), portAnchor(containerId, own(ports))];
}

const hasRules = ({ rules = {} }: pf.PfAnchor): boolean => Object.values(rules).some((list) => list.length > 0);

/**
 * All of klee's anchors for a policy, the root first.
 * @param outward the host's interfaces but for loopback ones and klee's.
 */
export function anchorsOf(policy: Policy, outward: readonly string[]): pf.PfAnchor[] {
  const { networks, endpoints, pairs, withdrawn } = policy;
  const guests = guestsOf(pairs);
  const addressesOf = (network: PolicyNetwork): string[] => [
    ...networkAddresses(network),
    ...endpoints.filter((endpoint) => endpoint.network.id === network.id).flatMap(endpointAddresses),
  ];
  const addresses = (chosen: readonly PolicyNetwork[]): string[] => [...new Set(chosen.flatMap(addressesOf))];
  const translated = new Map<string, { readonly by: string; readonly of: PolicyNetwork[] }>();
  for (const network of networks)
    for (const { anchor, by } of translating(network, outward)) {
      const known = translated.get(anchor);
      if (known === undefined) translated.set(anchor, { by, of: [network] });
      else known.of.push(network);
    }
  return [
    {
      anchor: ROOT,
      rules: rootRules,
      tables: {
        [CONTAINERS]: addresses(networks),
        [INTERNAL]: addresses(networks.filter(({ internal }) => internal)),
        [WITHDRAWN]: [...new Set(withdrawn.map(({ address }) => address))],
        [LOGGED]: addresses(networks.filter(({ log }) => log)),
        [LOGGED_INTERNAL]: addresses(networks.filter(({ internal, log }) => internal && log)),
      },
    },
    { anchor: UNHELD, rules: unheldRules },
    ...networks.map((network) => ({
      ...networkAnchor(network),
      tables: { [MEMBERS]: addressesOf(network), [GUESTS]: [...new Set(guests.get(network.id) ?? [])] },
    })),
    ...containersIn(policy).flatMap((id) => containerAnchors(id, policy).filter(hasRules)),
    ...[...translated].map(([anchor, { by, of }]) => ({
      anchor,
      rules: { nat: natRules(by) },
      tables: { [MEMBERS]: addresses(of) },
    })),
  ];
}
