import type { JailParameters } from "../host/host.ts";
import type { Endpoint, Network } from "../model.ts";
import { endpointsOf } from "../network/endpoints.ts";
import type { PolicyEndpoint } from "../network/policy.ts";
import { networkOf } from "../network/rows.ts";
import type { Statements } from "../store/store.ts";

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

export function policyEndpoints(attachments: readonly Attachment[], parameters: JailParameters): PolicyEndpoint[] {
  return attachments.map(({ endpoint, network }) => ({
    containerId: endpoint.container_id,
    networkId: network.id,
    ipv4: endpoint.ip_address,
    ipv6: endpoint.ip_address6,
    icc: network.icc,
    rawSockets: parameters.rawSockets,
  }));
}
