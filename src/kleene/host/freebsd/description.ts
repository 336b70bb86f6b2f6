import type { Policy } from "../../network/policy.ts";
import { sayContainer, sayNetwork } from "../../network/policy-words.ts";
import { anchorText } from "./pf-text.ts";
import { anchorsOf, containersIn, pairsOf, portsOf, ROOT, translating, UNHELD, within } from "./rules.ts";

/** The policy as commented pf.conf(5) text: each anchor with the rules and tables that are loaded into it. */
export function describePolicy(policy: Policy, outward: readonly string[]): string {
  const { networks, endpoints } = policy;
  const meanings = new Map([
    [ROOT, "all containers"],
    [UNHELD, "what comes from an address that nobody has"],
    ...networks.map((network) => [within(network.id), sayNetwork(network)] as const),
    ...networks.flatMap((network) =>
      translating(network, outward).map(({ anchor, by }) => [anchor, `what leaves by ${by} is translated`] as const),
    ),
    ...containersIn({ endpoints }).flatMap((id) => {
      const container = sayContainer(endpoints.filter(({ containerId }) => containerId === id));
      return [
        [pairsOf(id), `connections to its own addresses and networks, ${container}`] as const,
        [portsOf(id), `published ports, ${container}`] as const,
      ];
    }),
  ]);
  const calls = ["nat-anchor", "rdr-anchor", "anchor"].map((call) => `${call} "${ROOT}"\n`).join("");
  return [
    `# main ruleset: in /etc/pf.conf, these lines keep klee's rules in force when it is loaded\n${calls}`,
    ...anchorsOf(policy, outward).map(
      (one) => `# anchor ${one.anchor}: ${meanings.get(one.anchor) ?? ""}\n${anchorText(one)}`,
    ),
  ].join("\n");
}
