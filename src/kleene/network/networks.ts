import { connectContainer, disconnectContainer } from "../container/connection.ts";
import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import { checkName, newId, resolve } from "../identity.ts";
import type {
  ConnectContainer,
  CreateNetwork,
  Network,
  NetworkInspection,
  NetworkRules,
  NetworkType,
  Topology,
} from "../model.ts";
import { removeUnused } from "../prune.ts";
import { text } from "../store/store.ts";
import { addRules, currentPolicy, withRules } from "../system/rules.ts";
import {
  chooseInterface,
  chooseNat,
  refuseHostOverlap,
  refuseNetworkOverlap,
  refuseRouter,
  requireOwnInterface,
} from "./choices.ts";
import { PLACES } from "./drivers/table.ts";
import { endpointsOf } from "./endpoints.ts";
import { noteInterface } from "./followed.ts";
import { addFreeRange, takeAddress } from "./free-ranges.ts";
import { chooseGateway, gatewaysOf, isNetworkType, makeInterface, networkTypes } from "./interface.ts";
import { checkInterfaceName } from "./interface-name.ts";
import { routerIn } from "./neighbourhood.ts";
import { ANYWHERE, policyOfNetwork } from "./policy.ts";
import { allNetworks, insertNetwork, networkOf, policyNetwork } from "./rows.ts";
import type { Subnet } from "./subnet.ts";
import { addressToNumber, storedRange } from "./subnet.ts";
import { topologyOf } from "./topology.ts";

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
    const wanted = await checkRequest(request);
    host.checkSystem();
    const id = newId();
    const interfaces = host.interfaces.list();
    requireOwnInterface(request, interfaces);
    for (const subnet of wanted.subnets) refuseHostOverlap(subnet, interfaces, wanted.type, request.interface);
    if (wanted.type !== "custom") for (const subnet of wanted.subnets) refuseRouter(subnet, routerIn(host, subnet));
    const nat = chooseNat(request, interfaces);
    const network = await withUndo(
      this.#context,
      "create network",
      id,
      async (statements) => {
        const others = await allNetworks(statements);
        for (const subnet of wanted.subnets) refuseNetworkOverlap(subnet, others);
        const planned: Network = {
          exclude: wanted.exclude,
          gateway: chooseGateway(wanted, 4, request.gateway),
          gateway6: chooseGateway(wanted, 6, request.gateway6),
          icc: request.icc ?? true,
          id,
          interface: chooseInterface(wanted.type, request.interface, interfaces, others),
          internal: request.internal ?? false,
          ip_range: wanted.ipRange,
          log: request.log ?? false,
          name: request.name,
          nat,
          subnet: wanted.subnets.find((subnet) => subnet.family === 4)?.cidr ?? "",
          subnet6: wanted.subnets.find((subnet) => subnet.family === 6)?.cidr ?? "",
          type: wanted.type,
        };
        await insertNetwork(statements, planned);
        for (const name of [planned.nat, ...(planned.type === "custom" ? [planned.interface] : [])])
          await noteInterface(statements, host, interfaces, name);
        for (const subnet of wanted.subnets)
          await addFreeRange(statements, id, subnet, wanted.exclude.map(storedRange));
        for (const { family, address } of gatewaysOf(planned))
          await takeAddress(statements, id, family, addressToNumber(address));
        return planned;
      },
      async (planned, undo) => {
        undo.push(() => this.#context.store.run("DELETE FROM network WHERE id = ?", id));
        undo.push(() => host.interfaces.remove(planned.interface, id));
        makeInterface(host, planned);
        await addRules(this.#context, { networks: [policyNetwork(planned)] });
        return planned;
      },
    );
    return network;
  }

  /** A network and the places of containers in it. */
  async inspect(reference: string): Promise<NetworkInspection> {
    const { store } = this.#context;
    const network = networkOf(await resolve(store, "network", reference));
    return { network: this.#shown(network), network_endpoints: await endpointsOf(store, { networkId: network.id }) };
  }

  /** All networks, by name. */
  async list(): Promise<readonly Network[]> {
    return (await allNetworks(this.#context.store)).map((network) => this.#shown(network));
  }

  /**
   * The picture of networks and of what lies in them.
   * @param references none: all networks.
   */
  async topology(references: readonly string[]): Promise<Topology> {
    const { networks, containers } = await topologyOf(this.#context, references);
    return { networks: networks.map((one) => ({ ...one, network: this.#shown(one.network) })), containers };
  }

  /** Where no interface was named, the one that packets leave by at the moment. */
  #shown(network: Network): Network {
    if (network.nat !== ANYWHERE) return network;
    return { ...network, nat: this.#context.host.interfaces.defaultInterface() ?? ANYWHERE };
  }

  /**
   * Connects a container to a network, at once if it runs.
   * @throws {KleeError} INVALID for a malformed address; CONFLICT when it is connected already or the address is taken.
   */
  connect(reference: string, container: string, wanted: ConnectContainer): Promise<void> {
    return connectContainer(this.#context, reference, container, wanted);
  }

  /**
   * Takes a container out of a network, at once if it runs.
   * @throws {KleeError} CONFLICT when it is not connected to it.
   */
  disconnect(reference: string, container: string): Promise<void> {
    return disconnectContainer(this.#context, reference, container);
  }

  /** klee's rules for all networks, or for one and what runs in it. */
  async rules(reference: string | undefined): Promise<NetworkRules> {
    const { store, host } = this.#context;
    const all = await currentPolicy(this.#context);
    if (reference === undefined) return { policy: all, text: host.firewall.describe(all) };
    const policy = policyOfNetwork(all, networkOf(await resolve(store, "network", reference)).id);
    return { policy, text: host.firewall.describe(policy) };
  }

  /**
   * Removes a network, its interface and its rules. Returns its id.
   * @param force disconnects its containers first, at once where they run.
   * @throws {KleeError} CONFLICT while a container, running or not, is connected to it.
   */
  async remove(reference: string, { force }: { readonly force: boolean } = { force: false }): Promise<string> {
    const { store, host } = this.#context;
    const network = networkOf(await resolve(store, "network", reference));
    host.checkSystem();
    if (force) await this.#disconnectAll(network);
    await withUndo(
      this.#context,
      "remove network",
      network.id,
      async (statements) => {
        // Blocks a container that is being connected at this moment: its transaction comes before or after this one.
        const endpoints = await endpointsOf(statements, { networkId: network.id });
        if (endpoints.length > 0) {
          const ids = endpoints.map((endpoint) => endpoint.container_id).join(", ");
          throw new KleeError(
            "CONFLICT",
            `network ${network.name} is used by containers ${ids}; remove or disconnect them first, or use -f`,
          );
        }
      },
      () => removeFromHost(this.#context, network),
    );
    return network.id;
  }

  async #disconnectAll(network: Network): Promise<void> {
    for (const { container_id } of await endpointsOf(this.#context.store, { networkId: network.id })) {
      try {
        await disconnectContainer(this.#context, network.id, container_id);
      } catch (error) {
        // Removed, or disconnected by another command, meanwhile.
        if (!(error instanceof KleeError && ["NOT_FOUND", "CONFLICT"].includes(error.code))) throw error;
        const left = await endpointsOf(this.#context.store, { networkId: network.id });
        if (left.some((endpoint) => endpoint.container_id === container_id)) throw error;
      }
    }
  }

  /** Removes every network that no container is connected to. Returns their ids. */
  async prune(): Promise<readonly string[]> {
    const { store } = this.#context;
    const rows = await store.all(
      "SELECT id FROM network WHERE id NOT IN (SELECT network_id FROM endpoint) ORDER BY name",
    );
    return removeUnused(
      rows.map((row) => text(row, "id")),
      (id) => this.remove(id),
    );
  }
}

/** Takes a network out of the kernel, then out of the store. Repeating it does no harm. */
export async function removeFromHost(context: Context, network: Network): Promise<void> {
  const { store, host } = context;
  await withRules(context, async (change) => {
    await change({ remove: { networks: [policyNetwork(network)] } });
    if (network.type !== "custom") host.interfaces.remove(network.interface, network.id);
    await store.run("DELETE FROM network WHERE id = ?", network.id);
    const left = await store.get("SELECT 1 AS one FROM network LIMIT 1");
    if (left === undefined) host.firewall.unload();
  });
}

interface CheckedRequest {
  readonly type: NetworkType;
  readonly subnets: readonly Subnet[];
  readonly ipRange: readonly string[];
  readonly exclude: readonly string[];
}

async function checkRequest(request: CreateNetwork): Promise<CheckedRequest> {
  checkName("network", request.name);
  if (Object.hasOwn(PLACES, request.name))
    throw new KleeError("INVALID", `no network can be called ${request.name}: -n ${request.name} means another thing`);
  const type = request.type ?? "loopback";
  if (!isNetworkType(type))
    throw new KleeError(
      "INVALID",
      `unknown network type ${JSON.stringify(type)}; available: ${networkTypes.join(", ")}`,
    );
  if (type === "custom" && request.interface === undefined)
    throw new KleeError("INVALID", "a network of the type custom uses an interface of your own: give -i INTERFACE");
  if (type !== "bridge" && (request.gateway ?? request.gateway6) !== undefined)
    throw new KleeError(
      "INVALID",
      `a network of the type ${type} has no gateway: --gw and --gw6 are for the type bridge`,
    );
  if (request.interface !== undefined) checkInterfaceName(request.interface);
  if (request.natInterface !== undefined) {
    if (request.nat === false) throw new KleeError("INVALID", "--nat-if has no meaning with --nat=false");
    checkInterfaceName(request.natInterface);
  }
  // Only this command reads subnets that somebody typed: the others do without the library.
  const { parseRange, parseSubnet } = await import("./parse-subnet.ts");
  const subnets: Subnet[] = [];
  if (request.subnet) subnets.push(parseSubnet("subnet", 4, request.subnet));
  if (request.subnet6) subnets.push(parseSubnet("subnet6", 6, request.subnet6));
  if (subnets.length === 0)
    throw new KleeError("INVALID", "a network needs addresses: give --subnet, --subnet6 or both");
  const exclude = [...new Set((request.exclude ?? []).map((text) => parseRange("--exclude", subnets, text)))];
  const ipRange = (request.ipRanges ?? []).map((text) => parseRange("--ip-range", subnets, text));
  if (new Set(ipRange.map((text) => storedRange(text).family)).size < ipRange.length)
    throw new KleeError("INVALID", "--ip-range: give one range for IPv4 and one for IPv6 at most");
  return { type, subnets, ipRange, exclude };
}
