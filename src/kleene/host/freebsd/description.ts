import type { Policy, PolicyEndpoint, PolicyNetwork } from "../../network/policy.ts";
import { anchorText } from "./pf-text.ts";
import { anchorsOf, natOf, pairsOf, portsOf, ROOT, within } from "./rules.ts";

/** The policy as commented pf.conf(5) text: each anchor with the rules and tables that are loaded into it. */
export function describePolicy(policy: Policy): string {
  const comments = new Map<string, string>([
    [ROOT, "all containers"],
    ...policy.networks.map((network) => [within(network.id), sayNetwork(network)] as const),
    ...policy.networks
      .filter(({ nat }) => nat !== "")
      .map(({ nat }) => [natOf(nat), `translation of what leaves by ${nat}`] as const),
    ...policy.endpoints.flatMap((endpoint) => {
      const container = sayContainer(endpoint, policy.endpoints);
      return [
        [pairsOf(endpoint.containerId), `${container}: its own addresses and networks`] as const,
        [portsOf(endpoint.containerId), `${container}: published ports`] as const,
      ];
    }),
  ]);
  const calls = ["nat-anchor", "rdr-anchor", "anchor"].map((call) => `${call} "${ROOT}"\n`).join("");
  const sections = anchorsOf(policy).map(
    (entry) => `# anchor ${entry.anchor}: ${comments.get(entry.anchor) ?? ""}\n${anchorText(entry)}`,
  );
  return [
    `# main ruleset: these lines in /etc/pf.conf keep klee's rules in force when it is loaded\n${calls}`,
    ...sections,
  ].join("\n");
}

function sayNetwork({ id, name, subnet, subnet6, interface: on, icc, internal, nat }: PolicyNetwork): string {
  const facts = [
    [subnet, subnet6].filter((cidr) => cidr !== "").join(" and "),
    `on ${on}`,
    nat === "" ? "no NAT" : `NAT on ${nat}`,
    icc ? "containers reach each other" : "containers do not reach each other",
    ...(internal ? ["no way out"] : []),
  ];
  return `network ${name} (${id}), ${facts.filter((fact) => fact !== "").join(", ")}`;
}

function sayContainer({ containerId, containerName }: PolicyEndpoint, endpoints: readonly PolicyEndpoint[]): string {
  const places = endpoints
    .filter((endpoint) => endpoint.containerId === containerId)
    .map(({ network, ipv4, ipv6 }) => `${[ipv4, ipv6].filter(Boolean).join(" and ")} in ${network.name}`);
  return `container ${containerName} (${containerId}), ${places.join(", ")}`;
}
