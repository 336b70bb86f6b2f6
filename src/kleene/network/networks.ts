import type { Context } from "../context.ts";
import { carryOut } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { HostInterface } from "../host/host.ts";
import { checkName, newId, resolve } from "../identity.ts";
import type { CreateNetwork, Network, NetworkInspection } from "../model.ts";
import { text } from "../store/store.ts";
import { changeRules } from "../system/rules.ts";
import { endpointsOf } from "./endpoints.ts";
import { addFreeRange } from "./free-ranges.ts";
import { allNetworks, insertNetwork, networkOf, policyNetwork } from "./rows.ts";
import type { Subnet } from "./subnet.ts";
import { networkOfAddress, overlaps, parseSubnet, storedSubnet } from "./subnet.ts";

const INTERFACE_PREFIX = "kleene";
/** IFNAMSIZ less the NUL: the longest interface name of both systems. */
const INTERFACE_NAME_MAX = 15;

/** Networks: an interface of klee's own, one subnet per family, and the rules between their containers and the rest. */
export class Networks {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Makes a network, its interface and its firewall rules.
   * @throws {KleeError} INVALID for a malformed subnet, name or type; CONFLICT for a taken name or interface, or an overlap.
   */
  async create(request: CreateNetwork): Promise<Network> {
    const { host } = this.#context;
    const wanted = checkRequest(request);
    host.checkSystem();
    const id = newId();
    const interfaces = host.interfaces.list();
    for (const subnet of wanted.subnets) refuseHostOverlap(subnet, interfaces);
    const nat = chooseNat(request, host.interfaces.defaultInterface(), interfaces);
    const network = await carryOut(
      this.#context,
      "create network",
      id,
      async (statements) => {
        const others = await allNetworks(statements);
        for (const subnet of wanted.subnets) refuseNetworkOverlap(subnet, others);
        const planned: Network = {
          gateway: "<auto>",
          gateway6: "<auto>",
          icc: request.icc ?? true,
          id,
          interface: chooseInterface(request.interface, interfaces, others),
          internal: request.internal ?? false,
          name: request.name,
          nat,
          subnet: wanted.subnets.find((subnet) => subnet.family === 4)?.cidr ?? "",
          subnet6: wanted.subnets.find((subnet) => subnet.family === 6)?.cidr ?? "",
          type: "loopback",
        };
        await insertNetwork(statements, planned);
        for (const subnet of wanted.subnets) await addFreeRange(statements, id, subnet);
        return planned;
      },
      async (planned, undo) => {
        undo.push(() => this.#context.store.run("DELETE FROM network WHERE id = ?", id));
        host.interfaces.create(planned.interface, id, "loopback");
        undo.push(() => host.interfaces.remove(planned.interface, id));
        await changeRules(this.#context, { add: { networks: [policyNetwork(planned)] } });
        return planned;
      },
    );
    return network;
  }

  async inspect(reference: string): Promise<NetworkInspection> {
    const { store } = this.#context;
    const network = networkOf(await resolve(store, "network", reference));
    return { network, network_endpoints: await endpointsOf(store, { networkId: network.id }) };
  }

  /** All networks, by name. */
  async list(): Promise<Network[]> {
    return allNetworks(this.#context.store);
  }

  /**
   * Removes a network, its interface and its rules. Returns its id.
   * @throws {KleeError} CONFLICT while a container, running or not, is connected to it.
   */
  async remove(reference: string): Promise<string> {
    const { store, host } = this.#context;
    const network = networkOf(await resolve(store, "network", reference));
    host.checkSystem();
    await carryOut(
      this.#context,
      "remove network",
      network.id,
      async (statements) => {
        // Blocks a container that is being connected at this moment: its transaction comes before or after this one.
        const endpoints = await endpointsOf(statements, { networkId: network.id });
        if (endpoints.length > 0) {
          const ids = endpoints.map((endpoint) => endpoint.container_id).join(", ");
          throw new KleeError("CONFLICT", `network ${network.name} is used by containers ${ids}; remove them first`);
        }
      },
      () => removeFromHost(this.#context, network),
    );
    return network.id;
  }

  /** Removes every network that no container is connected to. Returns their ids. */
  async prune(): Promise<string[]> {
    const { store } = this.#context;
    const rows = await store.all(
      "SELECT id FROM network WHERE id NOT IN (SELECT network_id FROM endpoint) ORDER BY name",
    );
    const removed: string[] = [];
    for (const row of rows) removed.push(await this.remove(text(row, "id")));
    return removed;
  }
}

/** Takes a network out of the kernel, then out of the store. Repeating it does no harm. */
export async function removeFromHost(context: Context, network: Network): Promise<void> {
  const { store, host } = context;
  await changeRules(context, { remove: { networks: [policyNetwork(network)] } });
  host.interfaces.remove(network.interface, network.id);
  await store.run("DELETE FROM network WHERE id = ?", network.id);
  const left = await store.get("SELECT 1 AS one FROM network LIMIT 1");
  if (left === undefined) host.firewall.unload();
}

interface CheckedRequest {
  readonly subnets: readonly Subnet[];
}

function checkRequest(request: CreateNetwork): CheckedRequest {
  checkName("network", request.name);
  const type = request.type ?? "loopback";
  if (type !== "loopback")
    throw new KleeError("INVALID", `unknown network type ${JSON.stringify(type)}; available: loopback`);
  if (request.interface !== undefined) checkInterfaceName(request.interface);
  if (request.natInterface !== undefined) {
    if (request.nat === false) throw new KleeError("INVALID", "--nat-if has no meaning with --nat=false");
    checkInterfaceName(request.natInterface);
  }
  const subnets: Subnet[] = [];
  if (request.subnet) subnets.push(parseSubnet("subnet", 4, request.subnet));
  if (request.subnet6) subnets.push(parseSubnet("subnet6", 6, request.subnet6));
  if (subnets.length === 0)
    throw new KleeError("INVALID", "a network needs addresses: give --subnet, --subnet6 or both");
  return { subnets };
}

function checkInterfaceName(name: string): void {
  if (name.length > INTERFACE_NAME_MAX || !/^[a-zA-Z][a-zA-Z0-9_.-]*$/.test(name))
    throw new KleeError(
      "INVALID",
      `invalid interface name ${JSON.stringify(name)}: use letters, digits, '_', '.' and '-', a letter first, ${INTERFACE_NAME_MAX} at most`,
    );
}

function chooseNat(request: CreateNetwork, gateway: string | undefined, interfaces: readonly HostInterface[]): string {
  if (request.nat === false || request.internal === true) return "";
  const chosen = request.natInterface;
  if (chosen === undefined) return gateway ?? "";
  if (!interfaces.some((existing) => existing.name === chosen))
    throw new KleeError("NOT_FOUND", `cannot translate addresses on ${chosen}: the host has no such interface`);
  return chosen;
}

/** The lowest `kleeneN` that is free on the host and in the store, or the one asked for if it is free on both. */
function chooseInterface(
  asked: string | undefined,
  interfaces: readonly HostInterface[],
  networks: readonly Network[],
): string {
  const taken = new Set(
    [...interfaces, ...networks.map((network) => ({ name: network.interface }))].map((i) => i.name),
  );
  if (asked !== undefined) {
    if (taken.has(asked)) throw new KleeError("CONFLICT", `interface ${asked} exists already; choose another name`);
    return asked;
  }
  for (let number = 0; ; number += 1)
    if (!taken.has(`${INTERFACE_PREFIX}${number}`)) return `${INTERFACE_PREFIX}${number}`;
}

function refuseNetworkOverlap(subnet: Subnet, networks: readonly Network[]): void {
  for (const network of networks)
    for (const cidr of [network.subnet, network.subnet6])
      if (cidr !== "" && overlaps(subnet, storedSubnet(cidr)))
        throw new KleeError("CONFLICT", `subnet ${subnet.cidr} overlaps ${cidr} of network ${network.name}`);
}

/** A subnet that the host is attached to itself would cut the host off from it. */
function refuseHostOverlap(subnet: Subnet, interfaces: readonly HostInterface[]): void {
  for (const { name, addresses, networkId } of interfaces) {
    if (networkId !== undefined) continue;
    for (const address of addresses)
      if (overlaps(subnet, networkOfAddress(address)))
        throw new KleeError("CONFLICT", `subnet ${subnet.cidr} overlaps ${address} of the host's interface ${name}`);
  }
}
