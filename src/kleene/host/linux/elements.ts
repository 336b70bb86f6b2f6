import { KleeError } from "../../errors.ts";
import { ANYWHERE, type Policy, type PolicyNetwork, type PolicyPort } from "../../network/policy.ts";
import type { Family } from "../../network/subnet.ts";
import { markOf } from "./confinement/mark.ts";

/**
 * The sets and maps of klee's table, by what an element means; each exists for IPv4 and for IPv6. Interval sets are as
 * slow to change as they are long, so whatever is one address goes into a hash.
 */
export type SetKind = keyof typeof setTypes;
export type SetName = `${SetKind}${Family}`;

const setTypes = {
  /** Addresses of containers: subnets, or single ones where others have addresses in the subnet as well. */
  networks: "set ADDRESS interval",
  /** {interface, source}: translated when leaving by it. */
  translated: "set ifname . ADDRESS interval",
  /** Sources that are translated whatever they leave by. */
  masqueraded: "set ADDRESS interval",
  /** {source, destination}: may connect, as far as the destination is in `networks`. */
  pairs: "set ADDRESS . ADDRESS interval",
  /** The same, for two addresses. */
  peers: "set ADDRESS . ADDRESS",
  /** {subnet, the host's address in it}: may connect. */
  gateways: "set ADDRESS . ADDRESS interval",
  /** Sources that get no further than their own network. */
  internal: "set ADDRESS interval",
  /** Addresses of the networks whose blocked packets are logged. */
  logged: "set ADDRESS interval",
  /** {address, protocol, port} of containers: published. */
  published: "set ADDRESS . inet_proto . inet_service",
  /** Host ports by interface, by address, on all addresses, and as the host itself sees them. */
  by_interface: "map ifname . inet_proto . inet_service : ADDRESS . inet_service",
  by_address: "map ADDRESS . inet_proto . inet_service : ADDRESS . inet_service",
  anywhere: "map inet_proto . inet_service : ADDRESS . inet_service",
  locally: "map inet_proto . inet_service : ADDRESS . inet_service",
  /** Marks of raw sockets, with their containers' addresses: all of them, and the one to send from. */
  own: "set mark . ADDRESS",
  raw: "map mark : ADDRESS",
  /** Addresses that have too many connections: the rules put them there, for a while. */
  crowded: "set ADDRESS timeout",
} as const;

export const families = [4, 6] as const;

/** Of what the elements of a set consist. */
export interface ElementTypes {
  /** The types of an element's parts, before and after the colon. */
  readonly key: readonly string[];
  readonly data: readonly string[];
  /** Are elements intervals? Then an address may be a subnet. */
  readonly interval: boolean;
}

export function typesOf(set: SetName): ElementTypes {
  const [, , body = "", flag] = declarationOf(setTypes[set.slice(0, -1) as SetKind]);
  const [key = "", data = ""] = body.split(" : ");
  return { key: key.split(" . "), data: data === "" ? [] : data.split(" . "), interval: flag === " interval" };
}

function declarationOf(type: string): readonly (string | undefined)[] {
  return /^(set|map) (.*?)( interval| timeout)?$/.exec(type) ?? [];
}

const declared: Readonly<Record<string, string>> = {
  " interval": " flags interval;",
  " timeout": " size 65535; flags dynamic,timeout;",
};

/** All sets and maps, as nft declares each: `set networks4 { type ipv4_addr; flags interval; }` */
export const declarations: readonly (readonly [name: SetName, keyword: "set" | "map", body: string])[] = Object.entries(
  setTypes,
).flatMap(([kind, type]) =>
  families.map((family) => {
    const [, keyword = "", body = "", flag = ""] = declarationOf(type);
    const typed = body.replaceAll("ADDRESS", family === 4 ? "ipv4_addr" : "ipv6_addr");
    const flags = declared[flag] ?? "";
    return [`${kind as SetKind}${family}` as SetName, keyword as "set" | "map", `{ type ${typed};${flags} }`] as const;
  }),
);

/** Does it hold what packets have put there? */
export const isFilledByRules = (set: SetName): boolean => set.startsWith("crowded");

/** Elements as nft text, by set; none twice. */
export type Elements = ReadonlyMap<SetName, ReadonlySet<string>>;

/** What the sets and maps hold for this policy. */
export function elementsOf(policy: Partial<Policy>): Elements {
  const elements = new Map<SetName, Set<string>>();
  const put = (kind: SetKind, family: Family, value: string): void => {
    const name = `${kind}${family}` as const;
    const values = elements.get(name);
    if (values === undefined) elements.set(name, new Set([value]));
    else values.add(value);
  };
  for (const network of policy.networks ?? []) putNetwork(network, put);
  putEndpoints(policy.endpoints ?? [], put);
  for (const { family, source, destination } of policy.pairs ?? []) {
    if ("address" in destination) put("peers", family, `${source} . ${destination.address}`);
    else put("pairs", family, `${source} . ${subnetOf(destination.network, family)}`);
  }
  for (const port of policy.ports ?? []) putPort(port, put);
  return elements;
}

/** These elements, and addresses among the crowded ones. */
export function withCrowded(elements: Elements, addresses: readonly string[]): Elements {
  if (addresses.length === 0) return elements;
  const all = new Map(elements);
  for (const family of families) {
    const own = addresses.filter((address) => address.includes(":") === (family === 6));
    if (own.length > 0) all.set(`crowded${family}`, new Set(own));
  }
  return all;
}

/** What is in one and not in the other. */
export function difference(one: Elements, other: Elements): Elements {
  const rest = new Map<SetName, Set<string>>();
  for (const [name, values] of one) {
    const left = new Set([...values].filter((value) => !other.get(name)?.has(value)));
    if (left.size > 0) rest.set(name, left);
  }
  return rest;
}

/** `add` or `delete` of elements, a line for each set. */
export function elementText(verb: "add" | "delete", table: string, elements: Elements): string {
  let lines = "";
  for (const [set, values] of elements) lines += `${verb} element inet ${table} ${set} { ${[...values].join(", ")} }\n`;
  return lines;
}

type Put = (kind: SetKind, family: Family, value: string) => void;

const subnetOf = (network: PolicyNetwork, family: Family): string => (family === 4 ? network.subnet : network.subnet6);

function putNetwork(network: PolicyNetwork, put: Put): void {
  for (const family of families) {
    const subnet = subnetOf(network, family);
    if (subnet === "") continue;
    if (network.exclusive) putMembers(network, family, subnet, put);
    if (network.icc) put("pairs", family, `${subnet} . ${subnet}`);
    const gateway = family === 4 ? network.gateway : network.gateway6;
    if (gateway !== "") put("gateways", family, `${subnet} . ${gateway}`);
  }
}

/** A network's addresses: its subnet, or one of its containers'. */
function putMembers({ nat, internal, log }: PolicyNetwork, family: Family, addresses: string, put: Put): void {
  put("networks", family, addresses);
  if (nat === ANYWHERE) put("masqueraded", family, addresses);
  else if (nat !== "") put("translated", family, `${quoted(nat)} . ${addresses}`);
  if (internal) put("internal", family, addresses);
  if (log) put("logged", family, addresses);
}

function putEndpoints(endpoints: Policy["endpoints"], put: Put): void {
  const primary = new Set<string>();
  for (const { containerId, network, ipv4, ipv6, rawSockets } of endpoints) {
    for (const [family, address] of [
      [4, ipv4],
      [6, ipv6],
    ] as const) {
      if (address === "") continue;
      if (!network.exclusive) putMembers(network, family, address, put);
      if (!rawSockets) continue;
      const mark = markOf(containerId);
      put("own", family, `${mark} . ${address}`);
      // The first address of each family is the one that a packet of foreign source gets.
      if (!primary.has(`${mark}/${family}`)) put("raw", family, `${mark} : ${address}`);
      primary.add(`${mark}/${family}`);
    }
  }
}

/**
 * An interface's name as nft text. The kernel allows nearly any characters in one; some have a meaning in nft, where
 * `em*` is all interfaces that begin so.
 * @throws {KleeError} UNSUPPORTED
 */
function quoted(name: string): string {
  if (!/^[\w.:@+-]+$/.test(name))
    throw new KleeError("UNSUPPORTED", `interface ${JSON.stringify(name)} has a name that no firewall rule can hold`);
  return `"${name}"`;
}

/** nft shifts no ranges of ports: each port is an element of its own. */
function putPort(port: PolicyPort, put: Put): void {
  const { family, protocol, target, address } = port;
  for (let host = port.hostPort.first; host <= port.hostPort.last; host += 1) {
    const container = port.containerPort.first + (host - port.hostPort.first);
    const from = `${protocol} . ${host}`;
    const to = `${target} . ${container}`;
    if (port.open) put("published", family, `${target} . ${protocol} . ${container}`);
    if (address !== "") put("by_address", family, `${address} . ${from} : ${to}`);
    else {
      if (port.interface === "") put("anywhere", family, `${from} : ${to}`);
      else put("by_interface", family, `${quoted(port.interface)} . ${from} : ${to}`);
      put("locally", family, `${from} : ${to}`);
    }
  }
}
