import { attachmentsOf, publicPorts } from "../container/attachments.ts";
import type { Context } from "../context.ts";
import { resolve } from "../identity.ts";
import type { ContainerStatus, Endpoint, Network, Topology, TopologyContainer } from "../model.ts";
import { pendingRestarts } from "../store/operations.ts";
import { text } from "../store/store.ts";
import { endpointOf } from "./endpoints.ts";
import type { PublishedOn } from "./policy.ts";
import { publishedOn } from "./published.ts";
import { allNetworks, networkOf } from "./rows.ts";
import { addressToNumber } from "./subnet.ts";

/**
 * What lies in networks: their endpoints by address, and the containers these belong to.
 *
 * @param references of networks; none: all of them.
 * @throws {KleeError} NOT_FOUND or AMBIGUOUS, as for each command that takes a network.
 */
export async function topologyOf(context: Context, references: readonly string[]): Promise<Topology> {
  const networks = await chosenNetworks(context, references);
  const endpoints = await endpointsByNetwork(context);
  const inspections = networks.map((network) => ({ network, network_endpoints: endpoints.get(network.name) ?? [] }));
  const shown = new Set(
    inspections.flatMap(({ network_endpoints }) => network_endpoints.map((one) => one.container_id)),
  );
  return { networks: inspections, containers: await containersOf(context, [...shown]) };
}

/** By name, each of them once. */
async function chosenNetworks({ store }: Context, references: readonly string[]): Promise<Network[]> {
  const all = await allNetworks(store);
  if (references.length === 0) return all;
  const chosen = new Set<string>();
  for (const reference of references) chosen.add(networkOf(await resolve(store, "network", reference)).id);
  return all.filter(({ id }) => chosen.has(id));
}

/** All endpoints, by the name of their network, and in it by address: IPv4 before IPv6. */
async function endpointsByNetwork({ store }: Context): Promise<Map<string, Endpoint[]>> {
  const rows = await store.all(
    `SELECT endpoint.*, network.name AS network_name FROM endpoint JOIN network ON network.id = endpoint.network_id`,
  );
  const found = new Map<string, Endpoint[]>();
  const keyed = rows.map(endpointOf).map((endpoint) => ({ endpoint, key: orderOf(endpoint) }));
  keyed.sort(({ key: [family, number] }, { key: [otherFamily, otherNumber] }) =>
    family !== otherFamily ? family - otherFamily : number < otherNumber ? -1 : 1,
  );
  for (const { endpoint } of keyed) listIn(found, endpoint.network_id).push(endpoint);
  return found;
}

const orderOf = ({ ip_address, ip_address6 }: Endpoint): [family: number, number: bigint] =>
  ip_address === "" ? [6, addressToNumber(ip_address6)] : [4, addressToNumber(ip_address)];

/** The list of a key, made when it is first asked for. */
function listIn<T>(lists: Map<string, T[]>, key: string): T[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

async function containersOf(context: Context, ids: readonly string[]): Promise<TopologyContainer[]> {
  const { store, host } = context;
  const rows = await store.all("SELECT id, name FROM container");
  const names = new Map(rows.map((row) => [text(row, "id"), text(row, "name")]));
  const publishing = new Map<string, PublishedOn[]>();
  for (const row of await store.all("SELECT * FROM published_port ORDER BY rowid"))
    listIn(publishing, text(row, "container_id")).push(publishedOn(row));
  const running = host.jails.running();
  const restarting = new Set((await pendingRestarts(store)).map(({ object }) => object));
  const statusOf = (id: string): ContainerStatus =>
    running.has(id) ? "running" : restarting.has(id) ? "restarting" : "stopped";
  const containers: TopologyContainer[] = [];
  for (const id of ids) {
    const ports = publishing.get(id) ?? [];
    // Where a port leads depends on all of the container's networks, shown or not.
    const public_ports = ports.length === 0 ? [] : publicPorts(ports, await attachmentsOf(store, id));
    containers.push({ id, name: names.get(id) ?? id, public_ports, status: statusOf(id) });
  }
  return containers;
}
