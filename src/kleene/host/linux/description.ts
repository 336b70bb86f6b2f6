import type { Policy, PolicyPort } from "../../network/policy.ts";
import { sayContainer, sayNetwork } from "../../network/policy-words.ts";
import { elementsOf, elementText } from "./elements.ts";
import { frameText } from "./ruleset.ts";

/** The policy as commented nft(8) text, which `nft -f` takes: the same elements as are loaded, one object at a time. */
export function describePolicy(table: string, policy: Policy): string {
  const { networks, endpoints, pairs, ports } = policy;
  const elements = (part: Partial<Policy>): string => elementText("add", table, elementsOf(part));
  const parts = [`# klee's table: it is replaced as a whole, in one transaction\n${frameText(table)}`];
  for (const network of networks) parts.push(`# ${sayNetwork(network)}\n${elements({ networks: [network] })}`);
  for (const id of new Set(endpoints.map(({ containerId }) => containerId))) {
    const own = <T extends { readonly containerId: string }>(items: readonly T[]): T[] =>
      items.filter(({ containerId }) => containerId === id);
    const places = own(endpoints);
    const comments = [`# ${sayContainer(places)}`, ...saidPorts(own(ports)).map((line) => `# ${line}`)];
    const text = elements({ endpoints: places, pairs: own(pairs), ports: own(ports) });
    parts.push(`${comments.join("\n")}\n${text}`);
  }
  return parts.join("\n");
}

function saidPorts(ports: readonly PolicyPort[]): string[] {
  return ports.map(({ protocol, interface: name, address, hostPort, containerPort, target, family }) => {
    const place = address || name || `all IPv${family} addresses`;
    return `  ${place} ${range(hostPort)}/${protocol} -> ${target} ${range(containerPort)}`;
  });
}

const range = ({ first, last }: PolicyPort["hostPort"]): string => (first === last ? `${first}` : `${first}-${last}`);
