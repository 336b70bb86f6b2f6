import { ANYWHERE, type PolicyEndpoint, type PolicyNetwork } from "./policy.ts";

/** A network in the words of the rules' comments. */
export function sayNetwork(network: PolicyNetwork): string {
  const { id, name, subnet, subnet6, nat, icc, internal, log } = network;
  const facts = [
    [subnet, subnet6].filter((cidr) => cidr !== "").join(" and "),
    `on ${network.interface}`,
    nat === "" ? "no NAT" : nat === ANYWHERE ? "NAT" : `NAT on ${nat}`,
    icc ? "containers reach each other" : "containers do not reach each other",
    ...(internal ? ["no way out"] : []),
    ...(log ? ["what is blocked is logged"] : []),
  ];
  return `network ${name} (${id}): ${facts.join(", ")}`;
}

/** A container, by its places. */
export function sayContainer(places: readonly PolicyEndpoint[]): string {
  const [first] = places;
  const where = places.map(({ network, ipv4, ipv6 }) => {
    const addresses = [ipv4, ipv6].filter((address) => address !== "").join(" and ");
    return `${addresses} in ${network.name}`;
  });
  return `container ${first?.containerName} (${first?.containerId}): ${where.join(", ")}`;
}
