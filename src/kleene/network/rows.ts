import { KleeError } from "../errors.ts";
import type { Network, NetworkType } from "../model.ts";
import type { Row, Statements } from "../store/store.ts";
import { flag, list, StoreConflict, text } from "../store/store.ts";
import { isNetworkType, NO_GATEWAY } from "./interface.ts";
import type { PolicyNetwork } from "./policy.ts";

export async function insertNetwork(statements: Statements, network: Network): Promise<void> {
  try {
    await statements.run(
      `INSERT INTO network (id, name, type, interface, subnet, subnet6, gateway, gateway6, nat, icc, internal,
         ip_range, exclude, log)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      network.id,
      network.name,
      network.type,
      network.interface,
      network.subnet,
      network.subnet6,
      network.gateway,
      network.gateway6,
      network.nat,
      Number(network.icc),
      Number(network.internal),
      JSON.stringify(network.ip_range),
      JSON.stringify(network.exclude),
      Number(network.log),
    );
  } catch (error) {
    if (error instanceof StoreConflict && error.concerns("network.name"))
      throw new KleeError("CONFLICT", `network name is already taken: ${network.name}`, { cause: error });
    throw error;
  }
}

export async function allNetworks(statements: Statements): Promise<Network[]> {
  return (await statements.all("SELECT * FROM network ORDER BY name")).map(networkOf);
}

export function networkOf(row: Row): Network {
  return {
    exclude: list(row, "exclude"),
    gateway: text(row, "gateway"),
    gateway6: text(row, "gateway6"),
    icc: flag(row, "icc"),
    id: text(row, "id"),
    interface: text(row, "interface"),
    internal: flag(row, "internal"),
    ip_range: list(row, "ip_range"),
    log: flag(row, "log"),
    name: text(row, "name"),
    nat: text(row, "nat"),
    subnet: text(row, "subnet"),
    subnet6: text(row, "subnet6"),
    type: networkType(text(row, "type")),
  };
}

function networkType(type: string): NetworkType {
  if (!isNetworkType(type)) throw new KleeError("HOST", `the store is damaged: network type ${type}`);
  return type;
}

export function policyNetwork(network: Network): PolicyNetwork {
  const { id, name, subnet, subnet6, nat, icc, internal, log } = network;
  return {
    id,
    name,
    interface: network.interface,
    exclusive: network.type !== "custom",
    subnet,
    subnet6,
    gateway: network.gateway === NO_GATEWAY ? "" : network.gateway,
    gateway6: network.gateway6 === NO_GATEWAY ? "" : network.gateway6,
    nat,
    icc,
    internal,
    log,
  };
}
