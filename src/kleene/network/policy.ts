import type { Family } from "./subnet.ts";

/**
 * What the firewall enforces, as a pure value: each host encodes it in its own firewall, and the connections it lets
 * through are the same on all of them. Of a connection the first of these that fits decides; replies, and the errors
 * that belong to it, then pass.
 *
 * 0. to an address of an exclusive network that nobody has at the moment, or from one: is refused, and never leaves the
 *    host, whatever its routes say.
 * 1. from a container to itself, at any of its addresses: passes. So does what the host sends to a container.
 * 2. within a network that has `icc`, and by a {@link PolicyPair}: passes.
 * 3. to the gateway address of the own network: passes.
 * 4. from an internal network: is refused, wherever it goes.
 * 5. from a container to an open {@link PolicyPort}, at the container's address and port: passes.
 * 6. from a container to any other one, of its network or another: is refused.
 * 7. from a container to the host or beyond: passes; translated when it leaves by the network's `nat` interface, be it any.
 * 8. from outside to a container's address: is dropped, but for what an open {@link PolicyPort} redirected.
 *
 * Redirection comes first: these rules see the container's address and port, and a connection to a host address by a
 * container is judged by what it is redirected to; but from an internal network it is refused, redirected or not. To refuse is to answer at once (FreeBSD: EACCES; Linux: a reset,
 * EACCES), to drop is to say nothing.
 */
export interface Policy {
  readonly networks: readonly PolicyNetwork[];
  readonly endpoints: readonly PolicyEndpoint[];
  readonly pairs: readonly PolicyPair[];
  readonly ports: readonly PolicyPort[];
  readonly withdrawn: readonly PolicyWithdrawn[];
}

/**
 * An address that a running container lost, of a network that is not exclusive: the container's sockets may still name it,
 * and no subnet tells that it is nobody's here.
 */
export interface PolicyWithdrawn {
  readonly containerId: string;
  readonly address: string;
}

/** What the firewall must know of a network. */
export interface PolicyNetwork {
  readonly id: string;
  readonly name: string;
  readonly interface: string;
  /**
   * Do the subnets belong to the network's containers alone? If not (type `custom`), the host and its neighbours have
   * addresses there as well: only the addresses of its endpoints are the network's then.
   */
  readonly exclusive: boolean;
  /** CIDR, empty when the network has none of that family. */
  readonly subnet: string;
  readonly subnet6: string;
  /** The host's own address in the network, which all its containers reach; empty: none. */
  readonly gateway: string;
  readonly gateway6: string;
  /** Interface on which packets to the outside are translated, or `*`, whichever they leave by; empty: no NAT. */
  readonly nat: string;
  readonly icc: boolean;
  readonly internal: boolean;
  /** Are the packets written down that are refused or dropped on their way to or from its containers? */
  readonly log: boolean;
}

/** What the firewall must know of a running container's place in a network. */
export interface PolicyEndpoint {
  readonly containerId: string;
  readonly containerName: string;
  readonly network: PolicyNetwork;
  readonly ipv4: string;
  readonly ipv6: string;
  /** May the container open raw sockets? Their source address is then set by the firewall. */
  readonly rawSockets: boolean;
}

/** Connections that pass though their two ends are in different networks, or in one without icc. */
export interface PolicyPair {
  readonly containerId: string;
  readonly containerName: string;
  readonly family: Family;
  /** An address of the container. */
  readonly source: string;
  readonly destination: PolicyDestination;
}

/** One address, or all containers of a network and its gateway. */
export type PolicyDestination = { readonly address: string } | { readonly network: PolicyNetwork };

/** Of a published port. */
export type Protocol = "tcp" | "udp";

/** Ports `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * A published port, or a range of them, of one family and on one place of the host: connections to `hostPort` there
 * are redirected to `containerPort` at `target`, the first host port to the first container port and so on. That holds
 * - from outside: for what arrives by `interface` to an address that this interface has; where `interface` is empty,
 *   for what arrives by any interface to any of the host's own addresses.
 * - from the host and its containers: to any of the host's own addresses, 127.0.0.1 included. ::1 is redirected as well;
 *   what a FreeBSD host's connections to it then meet is described in docs/networking.md.
 * - where `address` is set: to this address alone, from outside as from the host.
 */
export interface PolicyPort {
  readonly containerId: string;
  readonly containerName: string;
  readonly protocol: Protocol;
  readonly family: Family;
  readonly interface: string;
  readonly address: string;
  readonly hostPort: PortRange;
  /** Of the same size. */
  readonly containerPort: PortRange;
  /** The container's address. */
  readonly target: string;
  /** For all, or for the host alone: a port that is published on a loopback address. */
  readonly open: boolean;
}

/** What is removed and what is added, at once. What is in both stays as it is. */
export interface PolicyChange {
  readonly add?: Partial<Policy> | undefined;
  readonly remove?: Partial<Policy> | undefined;
  /** What is removed has no connections: its containers never had a socket. */
  readonly unconnected?: boolean | undefined;
}

/** Facts of a running container. */
export interface PolicyContainer {
  readonly id: string;
  readonly name: string;
  readonly rawSockets: boolean;
  /** In the order in which it was connected: the first address of a family is the container's own one there. */
  readonly attachments: readonly { readonly network: PolicyNetwork; readonly ipv4: string; readonly ipv6: string }[];
  readonly ports: readonly PublishedOn[];
  /** Addresses that it lost while it runs, see {@link PolicyWithdrawn}. */
  readonly withdrawn?: readonly string[] | undefined;
}

/** A port as the user published it. */
export interface PublishedOn {
  readonly protocol: Protocol;
  /** Interface of the host; empty when `address` is set. */
  readonly interface: string;
  /** Address of the host, `0.0.0.0` or `::` for all of one family; empty when `interface` is set. */
  readonly address: string;
  readonly hostPort: PortRange;
  readonly containerPort: PortRange;
}

/** In an interface's place: by whatever interface a packet leaves. No interface has this name. */
export const ANYWHERE = "*";

const families = [4, 6] as const;

/** The policy for these networks and running containers. */
export function policyOf(networks: readonly PolicyNetwork[], containers: readonly PolicyContainer[]): Policy {
  const parts = containers.map(containerPolicy);
  return {
    networks,
    endpoints: parts.flatMap(({ endpoints }) => endpoints),
    pairs: parts.flatMap(({ pairs }) => pairs),
    ports: parts.flatMap(({ ports }) => ports),
    withdrawn: parts.flatMap(({ withdrawn }) => withdrawn),
  };
}

/** One container's part of the policy. */
export function containerPolicy(container: PolicyContainer): Policy {
  const { id: containerId, name: containerName, rawSockets, attachments } = container;
  return {
    networks: [],
    endpoints: attachments.map(({ network, ipv4, ipv6 }) => ({
      containerId,
      containerName,
      network,
      ipv4,
      ipv6,
      rawSockets,
    })),
    pairs: families.flatMap((family) =>
      pairsOf(container, family).map((pair) => ({ containerId, containerName, family, ...pair })),
    ),
    ports: families.flatMap((family) => portsOf(container, family)),
    withdrawn: (container.withdrawn ?? []).map((address) => ({ containerId, address })),
  };
}

/** Addresses that no container has after the change. */
export function withdrawnAddresses({ add, remove }: PolicyChange): string[] {
  const addresses = ({ endpoints = [] }: Partial<Policy> = {}): string[] =>
    endpoints.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((address) => address !== "");
  const kept = new Set(addresses(add));
  return addresses(remove).filter((address) => !kept.has(address));
}

/** The part of the policy that concerns one network. */
export function policyOfNetwork({ networks, endpoints, pairs, ports }: Policy, id: string): Policy {
  const own = endpoints.filter(({ network }) => network.id === id);
  const addresses = new Set(own.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]));
  return {
    networks: networks.filter((network) => network.id === id),
    endpoints: own,
    pairs: pairs.filter(
      ({ source, destination }) =>
        addresses.has(source) ||
        ("network" in destination ? destination.network.id === id : addresses.has(destination.address)),
    ),
    ports: ports.filter(({ target }) => addresses.has(target)),
    withdrawn: [],
  };
}

const addressOf = (at: { readonly ipv4: string; readonly ipv6: string }, family: Family): string =>
  family === 4 ? at.ipv4 : at.ipv6;

/**
 * A container reaches itself at all its addresses, from all its addresses, and the other members of all its networks:
 * it sends from its first address, whatever network that one is in.
 */
function pairsOf({ attachments }: PolicyContainer, family: Family): Pick<PolicyPair, "source" | "destination">[] {
  const there = attachments.filter((attachment) => addressOf(attachment, family) !== "");
  return there.flatMap((from) =>
    there.flatMap((to) => {
      const within = from.network.id === to.network.id;
      if (within && to.network.icc) return [];
      const destination = to.network.icc ? { network: to.network } : { address: addressOf(to, family) };
      return [{ source: addressOf(from, family), destination }];
    }),
  );
}

function portsOf({ id, name, attachments, ports }: PolicyContainer, family: Family): PolicyPort[] {
  const target = attachments.map((attachment) => addressOf(attachment, family)).find((address) => address !== "");
  if (target === undefined) return [];
  return ports
    .filter(({ address }) => address === "" || familyOfText(address) === family)
    .map(({ protocol, interface: name_, address, hostPort, containerPort }) => ({
      containerId: id,
      containerName: name,
      protocol,
      family,
      interface: name_,
      address: isWildcard(address) ? "" : address,
      hostPort,
      containerPort,
      target,
      open: !isLoopback(address),
    }));
}

const familyOfText = (address: string): Family => (address.includes(":") ? 6 : 4);
const isWildcard = (address: string): boolean => address === "0.0.0.0" || address === "::";
const isLoopback = (address: string): boolean => address === "::1" || address.startsWith("127.");
