import type { PolicyContainer, PolicyNetwork } from "../../src/kleene/network/policy.ts";

/**
 * Which connections pass, for every combination of a network's properties: the same on every host. A case is a pure
 * value: a test gives it real processes, or rules and packets.
 */

/** The properties of the network under test, and whether its first container publishes its port. */
export interface TrafficSetup {
  readonly index: number;
  readonly icc: boolean;
  readonly internal: boolean;
  readonly nat: boolean;
  readonly published: boolean;
}

/**
 * - `server`, `sibling`: containers of the network under test; `stranger`: one of another network.
 * - `host`: klee's host; `outside`: another machine, on the network of the host's gateway interface.
 */
export type Peer = "server" | "sibling" | "stranger" | "host" | "outside";

/** Where a connection goes: a peer at its own address, or the published port at an address of the host. */
export type Destination = Peer | "published at the host" | "published at the loopback";

/**
 * - `passes`: and the other side sees the address of `seen`.
 * - `refused`: by klee's rules, at once; `dropped`: nothing comes back; `closed`: let through, and nobody listens there.
 */
export type Verdict =
  | { readonly is: "passes"; readonly seen: Peer | "own" | "any" }
  | { readonly is: "refused" | "dropped" | "closed" };

export interface TrafficCase {
  readonly setup: TrafficSetup;
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp";
  readonly from: Peer;
  readonly to: Destination;
  readonly verdict: Verdict;
}

/** The port that every peer listens on at its own address, TCP and UDP. */
export const SERVICE_PORT = 4000;
/** The host port that leads to the server of a setup which publishes. */
export const hostPort = ({ index }: TrafficSetup): number => 8000 + index;

const both = [false, true] as const;

/** All combinations of icc, internal, nat and published. */
export const setups: readonly TrafficSetup[] = both
  .flatMap((icc) =>
    both.flatMap((internal) => both.flatMap((nat) => both.map((published) => ({ icc, internal, nat, published })))),
  )
  .map((setup, index) => ({ index, ...setup }));

/** The subnets of a setup's network; those of the stranger's have the index after the last setup's. */
export const subnetOf = (index: number, family: 4 | 6): string =>
  family === 4 ? `10.20.${index}.0/24` : `fd20:${(index + 1).toString(16)}::/64`;

/** Addresses of containers in a network, by the order in which they were connected, from 1. */
export const addressIn = (index: number, family: 4 | 6, number: number): string =>
  family === 4 ? `10.20.${index}.${number}` : `fd20:${(index + 1).toString(16)}::${number}`;

/** Address of a peer that is a container. */
export function containerAddress(setup: TrafficSetup, peer: "server" | "sibling" | "stranger", family: 4 | 6): string {
  if (peer === "stranger") return addressIn(setups.length, family, 1);
  return addressIn(setup.index, family, peer === "server" ? 1 : 2);
}

type Rule = (setup: TrafficSetup) => Verdict;

const passes = (seen: Peer | "own" | "any" = "own"): Verdict => ({ is: "passes", seen });
const refused: Verdict = { is: "refused" };
const dropped: Verdict = { is: "dropped" };
const closed: Verdict = { is: "closed" };

/** To the server from a container that is not let in by `icc`. */
const onlyIfPublished: Rule = ({ published }) => (published ? passes() : refused);
/** To the published port at the host, from whom nothing holds back. */
const ifPublished: Rule = ({ published }) => (published ? passes("any") : closed);

const ifPublishedAndOpen: Rule = (setup) => (setup.internal ? refused : ifPublished(setup));

/** What is expected, as a table: who, where to, and how it ends. */
const expectations: readonly (readonly [from: Peer, to: Destination, verdict: Rule])[] = [
  ["server", "server", () => passes()],
  ["sibling", "server", (setup) => (setup.icc ? passes() : setup.internal ? refused : onlyIfPublished(setup))],
  ["server", "sibling", ({ icc }) => (icc ? passes() : refused)],
  ["stranger", "server", onlyIfPublished],
  ["server", "stranger", () => refused],
  ["host", "server", () => passes("any")],
  ["outside", "server", () => dropped],
  ["server", "host", ({ internal }) => (internal ? refused : passes())],
  ["server", "outside", ({ internal, nat }) => (internal ? refused : passes(nat ? "host" : "own"))],
  ["outside", "published at the host", ({ published }) => (published ? passes() : closed)],
  ["host", "published at the host", ifPublished],
  ["host", "published at the loopback", ifPublished],
  ["stranger", "published at the host", ifPublished],
  // From an internal network nothing goes to the host, though it would be redirected back into the network.
  ["server", "published at the host", ifPublishedAndOpen],
  ["sibling", "published at the host", ifPublishedAndOpen],
];

/** Every case there is. */
export const trafficCases: readonly TrafficCase[] = setups.flatMap((setup) =>
  ([4, 6] as const).flatMap((family) =>
    (["tcp", "udp"] as const).flatMap((protocol) =>
      expectations.map(([from, to, verdict]) => ({ setup, family, protocol, from, to, verdict: verdict(setup) })),
    ),
  ),
);

/** `icc internal nat published IPv4 tcp sibling -> server` */
export function describeCase({ setup, family, protocol, from, to }: TrafficCase): string {
  const flags = (["icc", "internal", "nat", "published"] as const).map((flag) => (setup[flag] ? flag : `no ${flag}`));
  return `${flags.map((flag) => flag.padEnd(12)).join(" ")} IPv${family} ${protocol} ${from} -> ${to}`;
}

/** The policy's facts of a setup and of the stranger, for a host that has no processes but only rules. */
export function factsOf(
  setup: TrafficSetup,
  gatewayInterface: string,
): { networks: PolicyNetwork[]; containers: PolicyContainer[] } {
  const network = (
    index: number,
    name: string,
    flags: Pick<TrafficSetup, "icc" | "internal" | "nat">,
  ): PolicyNetwork => ({
    id: `${index.toString(16).padStart(11, "0")}a`,
    name,
    interface: `kleene${index}`,
    exclusive: true,
    subnet: subnetOf(index, 4),
    subnet6: subnetOf(index, 6),
    gateway: "",
    gateway6: "",
    nat: flags.nat && !flags.internal ? gatewayInterface : "",
    icc: flags.icc,
    internal: flags.internal,
    log: false,
  });
  const tested = network(setup.index, "tested", setup);
  const other = network(setups.length, "other", { icc: true, internal: false, nat: true });
  const container = (
    peer: "server" | "sibling" | "stranger",
    home: PolicyNetwork,
    number: number,
  ): PolicyContainer => ({
    id: `c${number.toString(16).padStart(11, "0")}`,
    name: peer,
    rawSockets: false,
    attachments: [{ network: home, ipv4: containerAddress(setup, peer, 4), ipv6: containerAddress(setup, peer, 6) }],
    ports:
      peer === "server" && setup.published
        ? (["tcp", "udp"] as const).map((protocol) => ({
            protocol,
            interface: gatewayInterface,
            address: "",
            hostPort: { first: hostPort(setup), last: hostPort(setup) },
            containerPort: { first: SERVICE_PORT, last: SERVICE_PORT },
          }))
        : [],
  });
  return {
    networks: [tested, other],
    containers: [container("server", tested, 1), container("sibling", tested, 2), container("stranger", other, 3)],
  };
}
