import { randomInt } from "node:crypto";
import { KleeError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Statements } from "../store/store.ts";
import { text } from "../store/store.ts";
import { containerAddresses } from "./endpoints.ts";
import type { PortRange, Protocol, PublishedOn } from "./policy.ts";
import { agrees, excludes, formatPublished, hides, type PublishRequest, sizeOf } from "./publish.ts";
import { publishedOn } from "./published.ts";

/** Ports that no service is registered for, RFC 6335: where a free one is looked for. */
const DYNAMIC: PortRange = { first: 49_152, last: 65_535 };

/** A request whose place on the host is known. */
export type PlacedRequest = PublishRequest &
  Pick<PublishedOn, "interface" | "address"> & {
    /** It is on the interface of the default route, and goes with it. */
    readonly follows: boolean;
  };

/**
 * Finds where each port is to be published: by default on the interface of the host's default route.
 * @throws {KleeError} NOT_FOUND when the host has no such interface or address.
 */
export function placeRequests(requests: readonly PublishRequest[], host: Pick<Host, "interfaces">): PlacedRequest[] {
  const gateway = requests.some((request) => isAnywhere(request)) ? host.interfaces.defaultInterface() : undefined;
  return requests.map((request) => {
    if (request.interface !== "") requireInterface(host, request.interface);
    if (request.address !== "") requireAddress(host, request.address);
    if (!isAnywhere(request)) return { ...request, follows: false };
    if (gateway === undefined)
      throw new KleeError(
        "NOT_FOUND",
        "the host has no default route; name the interface: -p INTERFACE:HOST:CONTAINER",
      );
    return { ...request, interface: gateway, follows: true };
  });
}

/**
 * @throws {KleeError} INVALID for a port on an address of a family of which its container has none: nothing could be
 *   redirected to it.
 */
export function refuseDead(
  requests: readonly PlacedRequest[],
  container: { readonly ip_address: string; readonly ip_address6: string },
  network: string,
): void {
  for (const { address } of requests) {
    if (address === "") continue;
    const family = address.includes(":") ? 6 : 4;
    if ((family === 4 ? container.ip_address : container.ip_address6) === "")
      throw new KleeError(
        "INVALID",
        `cannot publish on ${address}: the container has no IPv${family} address in network ${network}`,
      );
  }
}

const isAnywhere = (request: PublishRequest): boolean => request.interface === "" && request.address === "";

function requireInterface({ interfaces }: Pick<Host, "interfaces">, name: string): void {
  const found = interfaces.find(name);
  if (found === undefined)
    throw new KleeError("NOT_FOUND", `cannot publish on ${name}: the host has no such interface`);
  if (found.networkId !== undefined)
    throw new KleeError("CONFLICT", `cannot publish on ${name}: it is the interface of a network`);
}

function requireAddress({ interfaces }: Pick<Host, "interfaces">, address: string): void {
  if (address === "0.0.0.0" || address === "::" || address.startsWith("127.")) return;
  const holder = interfaces.holderOf(address);
  if (holder === undefined || interfaces.find(holder)?.networkId !== undefined)
    throw new KleeError("NOT_FOUND", `cannot publish on ${address}: it is no address of the host`);
}

/**
 * Takes the ports for a container. Belongs inside one transaction.
 * @param inUse is this port of the host taken by somebody else? A free one is looked for elsewhere then.
 * @throws {KleeError} CONFLICT naming the container that has a port.
 */
export async function publish(
  statements: Statements,
  containerId: string,
  requests: readonly PlacedRequest[],
  inUse: (protocol: Protocol, port: number) => boolean,
): Promise<void> {
  const own: PublishedOn[] = [];
  for (const request of requests) {
    const { protocol, interface: name, address, containerPort } = request;
    const place = { protocol, interface: name, address, containerPort };
    const at = (hostPort: PortRange): PublishedOn => ({ ...place, hostPort });
    const published = request.hostPort ? at(request.hostPort) : await findFree(statements, at, own, inUse);
    for (const other of own)
      if (excludes(published, other) && !agrees(published, other))
        throw new KleeError("INVALID", `${formatPublished(published)} is published twice`);
    const [taken] = (await portsInRange(statements, published)).filter(
      ({ containerId: other, port }) => other !== containerId && excludes(published, port),
    );
    if (taken !== undefined)
      throw new KleeError(
        "CONFLICT",
        `cannot publish ${formatPublished(published)}: container ${taken.container} publishes ${formatPublished(taken.port)}`,
      );
    own.push(published);
    await insert(statements, containerId, published, request.follows);
  }
}

/** Tells which ports sockets of the host listen on. Asks the host once, and only when it has to. */
export function portsInUse(host: Pick<Host, "listeners">): (protocol: Protocol, port: number) => boolean {
  let known: Set<string> | undefined;
  return (protocol, port) => {
    known ??= new Set(host.listeners?.().map((listener) => `${listener.protocol} ${listener.port}`));
    return known.has(`${protocol} ${port}`);
  };
}

/** A line for each published port that hides a listening socket of the host; no port hides one of a container. */
export async function shadowed(
  statements: Statements,
  host: Pick<Host, "listeners">,
  ports: readonly PublishedOn[],
): Promise<string[]> {
  if (ports.length === 0 || host.listeners === undefined) return [];
  const containers = await containerAddresses(statements);
  const listeners = host.listeners().filter(({ address }) => !containers.has(address));
  return ports.flatMap((port) => {
    const hidden = listeners.find((listener) => hides(port, listener));
    if (hidden === undefined) return [];
    const place = `${hidden.address.includes(":") ? `[${hidden.address}]` : hidden.address}:${hidden.port}`;
    return [
      `publishing ${formatPublished(port)} hides the host's own listener on ${place}/${hidden.protocol} while the container runs`,
    ];
  });
}

async function findFree(
  statements: Statements,
  at: (hostPort: PortRange) => PublishedOn,
  own: readonly PublishedOn[],
  inUse: (protocol: Protocol, port: number) => boolean,
): Promise<PublishedOn> {
  const all = at(DYNAMIC);
  const taken = [...own, ...(await portsInRange(statements, all)).map(({ port }) => port)];
  const size = sizeOf(all.containerPort);
  const starts = sizeOf(DYNAMIC) - size + 1;
  const offset = starts > 0 ? randomInt(starts) : 0;
  for (let step = 0; step < starts; step += 1) {
    const first = DYNAMIC.first + ((offset + step) % starts);
    const candidate = at({ first, last: first + size - 1 });
    const ports = Array.from({ length: size }, (_, index) => first + index);
    if (taken.some((other) => excludes(candidate, other))) continue;
    if (!ports.some((port) => inUse(candidate.protocol, port))) return candidate;
  }
  throw new KleeError("CONFLICT", `no ${size} free ports are left between ${DYNAMIC.first} and ${DYNAMIC.last}`);
}

async function portsInRange(
  statements: Statements,
  { protocol, hostPort }: PublishedOn,
): Promise<{ readonly port: PublishedOn; readonly containerId: string; readonly container: string }[]> {
  const rows = await statements.all(
    `SELECT published_port.*, container.name AS container_name FROM published_port
     JOIN container ON container.id = published_port.container_id
     WHERE protocol = ? AND host_first <= ? AND host_last >= ?`,
    protocol,
    hostPort.last,
    hostPort.first,
  );
  return rows.map((row) => ({
    port: publishedOn(row),
    containerId: text(row, "container_id"),
    container: `${text(row, "container_name")} (${text(row, "container_id")})`,
  }));
}

function insert(statements: Statements, containerId: string, port: PublishedOn, follows: boolean): Promise<void> {
  return statements.run(
    `INSERT INTO published_port (container_id, protocol, interface, address, host_first, host_last, container_first,
       follows)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    containerId,
    port.protocol,
    port.interface,
    port.address,
    port.hostPort.first,
    port.hostPort.last,
    port.containerPort.first,
    Number(follows),
  );
}
