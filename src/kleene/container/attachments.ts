import type { Host, InterfaceMaker, JailAddresses, JailParameters } from "../host/host.ts";
import type { Endpoint, Network, PublishedPort } from "../model.ts";
import { endpointOf } from "../network/endpoints.ts";
import type { PolicyContainer, PublishedOn } from "../network/policy.ts";
import { formatRange } from "../network/published.ts";
import { networkOf, policyNetwork } from "../network/rows.ts";
import { type Statements, text } from "../store/store.ts";
import type { StoredContainer } from "./rows.ts";

/** A container's endpoint and the network it lies in. */
export interface Attachment {
  readonly endpoint: Endpoint;
  readonly network: Network;
}

export async function attachmentsOf(statements: Statements, id: string): Promise<Attachment[]> {
  const rows = await statements.all(
    `SELECT network.*, endpoint.id AS endpoint_id, container_id, ip_address, ip_address6, network.name AS network_name
     FROM endpoint JOIN network ON network.id = endpoint.network_id
     WHERE container_id = ? ORDER BY endpoint.rowid`,
    id,
  );
  return rows.map((row) => ({
    endpoint: endpointOf({ ...row, id: text(row, "endpoint_id") }),
    network: networkOf(row),
  }));
}

/** The addresses that a running container has lost, of networks that others are on too; the store keeps them until its end. */
export async function withdrawnOf(statements: Statements, id: string): Promise<string[]> {
  const rows = await statements.all("SELECT address FROM withdrawn WHERE container_id = ?", id);
  return rows.map((row) => text(row, "address"));
}

/** What the firewall must know of a running container. */
export function policyContainer(
  { id, name }: StoredContainer,
  attachments: readonly Attachment[],
  ports: readonly PublishedOn[],
  { rawSockets }: JailParameters,
  withdrawn: readonly string[],
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
    ports,
    withdrawn,
  };
}

/** The addresses that an endpoint adds to its network's interface. */
export function aliasesOf({ ip_address, ip_address6 }: Endpoint): string[] {
  return [...(ip_address === "" ? [] : [`${ip_address}/32`]), ...(ip_address6 === "" ? [] : [`${ip_address6}/128`])];
}

/** Gives a container's addresses in a network to the network's interface. */
export function addAliasesOf({ interfaces }: Host, { endpoint, network }: Attachment): void {
  interfaces.addAliases(network.interface, aliasesOf(endpoint), makerOf(network));
}

/** Who made a network's interface. */
export function makerOf({ type }: Network): InterfaceMaker {
  return type === "custom" ? "user" : "klee";
}

/** A container's addresses, the first one of a family being its primary one. */
export function addressesOf(attachments: readonly Attachment[]): JailAddresses {
  const present = (address: string): boolean => address !== "";
  return {
    internal: attachments.length > 0 && attachments.every(({ network }) => network.internal),
    ipv4: attachments.map(({ endpoint }) => endpoint.ip_address).filter(present),
    ipv6: attachments.map(({ endpoint }) => endpoint.ip_address6).filter(present),
  };
}

/** The same in one list. */
export function allAddresses(attachments: readonly Attachment[]): string[] {
  const { ipv4, ipv6 } = addressesOf(attachments);
  return [...ipv4, ...ipv6];
}

/** A container's published ports as `klee container inspect` shows them. */
export function publicPorts(ports: readonly PublishedOn[], attachments: readonly Attachment[]): PublishedPort[] {
  const { ipv4, ipv6 } = addressesOf(attachments);
  return ports.map((port) => {
    const reaches = (family: 4 | 6): boolean => port.address === "" || port.address.includes(":") === (family === 6);
    return {
      container_port: formatRange(port.containerPort),
      host_address: port.address,
      host_port: formatRange(port.hostPort),
      interfaces: port.interface === "" ? [] : [port.interface],
      ip_address: (reaches(4) && ipv4[0]) || "",
      ip_address6: (reaches(6) && ipv6[0]) || "",
      protocol: port.protocol,
    };
  });
}
