import { KleeError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Network, NetworkType } from "../model.ts";
import type { Family, Subnet } from "./subnet.ts";
import { addressToNumber, contains, familyOf, numberToAddress, storedSubnet } from "./subnet.ts";

/**
 * - loopback: an interface that klee makes, which holds the containers' addresses and nothing else.
 * - bridge: the same, with an address of the host's own, the gateway.
 * - custom: an interface of the user's, which klee adds the containers' addresses to and else leaves alone.
 */
export const networkTypes: readonly NetworkType[] = ["loopback", "bridge", "custom"];

/** What networks without a gateway show in its place. */
export const NO_GATEWAY = "<auto>";

export const isNetworkType = (type: string): type is NetworkType => networkTypes.some((known) => known === type);

/**
 * The host's address in a new network: of a bridge the one asked for, or the first of the subnet.
 * @throws {KleeError} INVALID when the one asked for is none of the subnet's.
 */
export function chooseGateway(
  { type, subnets }: { readonly type: NetworkType; readonly subnets: readonly Subnet[] },
  family: Family,
  asked: string | undefined,
): string {
  if (type !== "bridge") return NO_GATEWAY;
  const option = family === 4 ? "--gw" : "--gw6";
  const subnet = subnets.find((candidate) => candidate.family === family);
  const wanted = asked === "auto" || asked === NO_GATEWAY ? undefined : asked;
  if (subnet === undefined) {
    if (wanted) throw new KleeError("INVALID", `${option}: the network has no IPv${family} subnet`);
    return "";
  }
  if (wanted === "") return "";
  if (wanted === undefined) return numberToAddress(family, subnet.firstUsable);
  if (familyOf(wanted) !== family)
    throw new KleeError("INVALID", `${option}: could not parse IPv${family} address ${JSON.stringify(wanted)}`);
  const address = addressToNumber(wanted);
  if (!contains(subnet, address) || address < subnet.firstUsable || address > subnet.lastUsable)
    throw new KleeError("INVALID", `${option}: ${wanted} is no address for a host in ${subnet.cidr}`);
  return numberToAddress(family, address);
}

/** The host's own addresses in a network, with the subnets they lie in. */
export function gatewaysOf(network: Network): { family: Family; address: string; cidr: string }[] {
  return (
    [
      { family: 4, address: network.gateway, cidr: network.subnet },
      { family: 6, address: network.gateway6, cidr: network.subnet6 },
    ] as const
  ).filter(({ address }) => address !== "" && address !== NO_GATEWAY);
}

/** Makes a network's interface, with the host's address on it; none where the user has one. */
export function makeInterface(host: Pick<Host, "interfaces">, network: Network): void {
  const { type, id } = network;
  if (type === "custom") return;
  host.interfaces.create(network.interface, id, type);
  const addresses = gatewaysOf(network).map(({ address, cidr }) => `${address}/${prefixOf(cidr)}`);
  host.interfaces.addAliases(network.interface, addresses);
}

const prefixOf = (cidr: string): string => storedSubnet(cidr).cidr.split("/")[1] ?? "";
