import { KleeError } from "../errors.ts";
import type { Endpoint, Network } from "../model.ts";
import type { Row, Statements } from "../store/store.ts";
import { text } from "../store/store.ts";
import { giveBack, takeAddress, takeLowest } from "./free-ranges.ts";
import { type Holders, takenIn } from "./neighbourhood.ts";
import type { Family } from "./subnet.ts";
import { addressToNumber, contains, familyOf, numberToAddress, storedRange, storedSubnet } from "./subnet.ts";

/** Addresses asked for: undefined is the lowest free one, an empty text none. */
export interface WantedAddresses {
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
}

/** Checks what can be checked without looking anything up. */
export function checkWanted(wanted: WantedAddresses): void {
  for (const [option, family, address] of [
    ["--ip", 4, wanted.ip],
    ["--ip6", 6, wanted.ip6],
  ] as const)
    if (address && familyOf(address) !== family)
      throw new KleeError("INVALID", `${option}: could not parse IPv${family} address ${JSON.stringify(address)}`);
}

/**
 * Connects a container to a network: takes its addresses and writes the endpoint. Belongs inside one transaction. Of the
 * host it asks only who has the addresses that it considers, which is the first free one as a rule.
 *
 * @returns the addresses; empty where it has none of a family.
 */
export async function connect(
  statements: Statements,
  endpointId: string,
  containerId: string,
  network: Network,
  wanted: WantedAddresses,
  host: Holders,
): Promise<Pick<Endpoint, "ip_address" | "ip_address6">> {
  // The removal of a network first notes that it began, in a transaction: from then on nothing connects to it.
  const removal = await statements.get(
    "SELECT 1 AS one FROM operation WHERE kind = 'remove network' AND object = ?",
    network.id,
  );
  if (removal !== undefined) throw new KleeError("CONFLICT", `network ${network.name} is being removed`);
  const ip = await take(statements, network, 4, wanted.ip, host);
  const ip6 = await take(statements, network, 6, wanted.ip6, host);
  if (ip === "" && ip6 === "")
    throw new KleeError("INVALID", `the container would have no address in network ${network.name}`);
  await statements.run(
    "INSERT INTO endpoint (id, container_id, network_id, ip_address, ip_address6) VALUES (?, ?, ?, ?, ?)",
    endpointId,
    containerId,
    network.id,
    ip,
    ip6,
  );
  return { ip_address: ip, ip_address6: ip6 };
}

/** Gives a container's addresses back and removes its endpoints. Belongs inside one transaction. */
export async function disconnectAll(statements: Statements, containerId: string): Promise<void> {
  const rows = await statements.all("SELECT * FROM endpoint WHERE container_id = ?", containerId);
  for (const row of rows) await removeEndpoint(statements, row);
}

/** Gives one endpoint's addresses back and removes it, if it is there. Belongs inside one transaction. */
export async function disconnect(statements: Statements, endpointId: string): Promise<void> {
  const row = await statements.get("SELECT * FROM endpoint WHERE id = ?", endpointId);
  if (row !== undefined) await removeEndpoint(statements, row);
}

async function removeEndpoint(statements: Statements, row: Row): Promise<void> {
  for (const [family, column] of [
    [4, "ip_address"],
    [6, "ip_address6"],
  ] as const) {
    const address = text(row, column);
    if (address !== "") await giveBack(statements, text(row, "network_id"), family, addressToNumber(address));
  }
  await statements.run("DELETE FROM endpoint WHERE id = ?", text(row, "id"));
}

async function take(
  statements: Statements,
  network: Network,
  family: Family,
  wanted: string | undefined,
  host: Holders,
): Promise<string> {
  const cidr = family === 4 ? network.subnet : network.subnet6;
  if (wanted === "") return "";
  if (cidr === "") {
    if (wanted === undefined) return "";
    throw new KleeError(
      "INVALID",
      `cannot set ip address because there is no IPv${family} subnet defined for network ${network.name}`,
    );
  }
  if (wanted === undefined) return takeAny(statements, network, family, host);
  const address = addressToNumber(wanted);
  const subnet = storedSubnet(cidr);
  const canonical = numberToAddress(family, address);
  if (!contains(subnet, address))
    throw new KleeError("CONFLICT", `address ${canonical} is outside ${cidr} of network ${network.name}`);
  const owner = takenIn(host, network, family)(address);
  const holder = await statements.get(
    `SELECT container_id FROM endpoint WHERE network_id = ? AND ${family === 4 ? "ip_address" : "ip_address6"} = ?`,
    network.id,
    canonical,
  );
  // Who only may have it is asked, once it is the container's.
  if (owner !== undefined && !owner.perhaps && holder === undefined)
    throw new KleeError("CONFLICT", `address ${canonical} is ${owner.why}`);
  if (await takeAddress(statements, network.id, family, address)) return canonical;
  if (address < subnet.firstUsable || address > subnet.lastUsable)
    throw new KleeError("CONFLICT", `address ${canonical} is the network or broadcast address of ${cidr}`);
  const exclusion = network.exclude.find((range) => contains(storedRange(range), address) && isOf(range, family));
  if (holder === undefined && exclusion !== undefined)
    throw new KleeError("CONFLICT", `address ${canonical} is one that network ${network.name} excludes (${exclusion})`);
  const who = holder === undefined ? ", as the gateway" : ` by container ${text(holder, "container_id")}`;
  throw new KleeError("CONFLICT", `address ${canonical} is already in use${who}`);
}

const isOf = (range: string, family: Family): boolean => storedRange(range).family === family;

/** The lowest address that is free, of the network's range where it has one. */
async function takeAny(
  statements: Statements,
  network: Network,
  family: Family,
  host: Holders,
  refused: ReadonlySet<bigint> = new Set(),
): Promise<string> {
  const taken = takenIn(host, network, family);
  const within = network.ip_range.find((range) => isOf(range, family));
  const isTaken = (address: bigint): boolean => refused.has(address) || taken(address) !== undefined;
  const bounds = within === undefined ? undefined : storedRange(within);
  const lowest = await takeLowest(statements, network.id, family, isTaken, bounds);
  if (lowest !== undefined) return numberToAddress(family, lowest);
  const range = within ?? (family === 4 ? network.subnet : network.subnet6);
  throw new KleeError("CONFLICT", `no more IPv${family} addresses left in network ${network.name} (${range})`);
}

/** Gives an endpoint another address of a family in place of the one that it has. Belongs inside one transaction. */
export async function moveEndpoint(
  statements: Statements,
  endpointId: string,
  network: Network,
  family: Family,
  host: Holders,
  refused: ReadonlySet<bigint>,
): Promise<void> {
  const column = family === 4 ? "ip_address" : "ip_address6";
  const row = await statements.get("SELECT * FROM endpoint WHERE id = ?", endpointId);
  if (row === undefined) return;
  const address = await takeAny(statements, network, family, host, refused);
  await statements.run(`UPDATE endpoint SET ${column} = ? WHERE id = ?`, address, endpointId);
  await giveBack(statements, network.id, family, addressToNumber(text(row, column)));
}

/** Endpoints of a network or of a container, by address. */
export async function endpointsOf(
  statements: Statements,
  of: { readonly networkId: string } | { readonly containerId: string },
): Promise<Endpoint[]> {
  const [column, value] = "networkId" in of ? ["network_id", of.networkId] : ["container_id", of.containerId];
  const rows = await statements.all(
    `SELECT endpoint.*, network.name AS network_name FROM endpoint JOIN network ON network.id = endpoint.network_id
     WHERE endpoint.${column} = ? ORDER BY endpoint.rowid`,
    value,
  );
  return rows.map(endpointOf);
}

/** An endpoint from its row and the name of its network, `network_name`. */
export function endpointOf(row: Row): Endpoint {
  return {
    container_id: text(row, "container_id"),
    epair: null,
    id: text(row, "id"),
    ip_address: text(row, "ip_address"),
    ip_address6: text(row, "ip_address6"),
    network_id: text(row, "network_name"),
  };
}

/** All addresses of all containers. */
export async function containerAddresses(statements: Statements): Promise<Set<string>> {
  const rows = await statements.all("SELECT ip_address, ip_address6 FROM endpoint");
  return new Set(rows.flatMap((row) => [text(row, "ip_address"), text(row, "ip_address6")]));
}
