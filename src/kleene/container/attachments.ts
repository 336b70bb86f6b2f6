import type { InterfaceMaker, JailParameters } from "../host/host.ts";
import type { Endpoint, Network } from "../model.ts";
import { endpointsOf } from "../network/endpoints.ts";
import type { PolicyContainer } from "../network/policy.ts";
import { networkOf, policyNetwork } from "../network/rows.ts";
import type { Statements } from "../store/store.ts";
import type { StoredContainer } from "./rows.ts";

/** A container's endpoint and the network it lies in. */
export interface Attachment {
  readonly endpoint: Endpoint;
  readonly network: Network;
}

export async function attachmentsOf(statements: Statements, id: string): Promise<Attachment[]> {
  const attachments: Attachment[] = [];
  for (const endpoint of await endpointsOf(statements, { containerId: id })) {
    const row = await statements.get("SELECT * FROM network WHERE name = ?", endpoint.network_id);
    if (row === undefined) continue;
    const network = networkOf(row);
    attachments.push({ endpoint, network });
  }
  return attachments;
}

/** What the firewall must know of a running container. */
export function policyContainer(
  { id, name, publicPorts }: StoredContainer,
  attachments: readonly Attachment[],
  { rawSockets }: JailParameters,
): PolicyContainer {
  return {
    id,
    name,
    rawSockets,
    attachments: attachments.map(({ endpoint, network }) => ({
      network: policyNetwork(network),
      ipv4: endpoint.ip_address,
      ipv6: endpoint.ip_address6,
    })),
    ports: publicPorts,
  };
}

/** The addresses that an endpoint adds to its network's interface. */
export function aliasesOf({ ip_address, ip_address6 }: Endpoint): string[] {
  return [...(ip_address === "" ? [] : [`${ip_address}/32`]), ...(ip_address6 === "" ? [] : [`${ip_address6}/128`])];
}

/** Who made a network's interface. */
export function makerOf({ type }: Network): InterfaceMaker {
  return type === "custom" ? "user" : "klee";
}
