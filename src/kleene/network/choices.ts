import { KleeError } from "../errors.ts";
import type { HostInterface } from "../host/host.ts";
import type { CreateNetwork, Network, NetworkType } from "../model.ts";
import { ANYWHERE } from "./policy.ts";
import type { Subnet } from "./subnet.ts";
import { networkOfAddress, overlaps, storedSubnet } from "./subnet.ts";

const INTERFACE_PREFIX = "kleene";

/** Interface to translate addresses on: the one asked for, or any; empty: none. */
export function chooseNat(request: CreateNetwork, interfaces: readonly HostInterface[]): string {
  if (request.nat === false || request.internal === true) return "";
  const chosen = request.natInterface;
  if (chosen === undefined) return ANYWHERE;
  if (!interfaces.some((existing) => existing.name === chosen))
    throw new KleeError("NOT_FOUND", `cannot translate addresses on ${chosen}: the host has no such interface`);
  return chosen;
}

/**
 * The lowest `kleeneN` that is free on the host and in the store, or the one asked for if it is free on both; of the
 * type custom the user's own.
 */
export function chooseInterface(
  type: NetworkType,
  asked: string | undefined,
  interfaces: readonly HostInterface[],
  networks: readonly Network[],
): string {
  if (type === "custom") return chooseCustom(asked ?? "", networks);
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

function chooseCustom(asked: string, networks: readonly Network[]): string {
  const user = networks.find((network) => network.interface === asked);
  if (user !== undefined) throw new KleeError("CONFLICT", `interface ${asked} is the one of network ${user.name}`);
  return asked;
}

/** @throws {KleeError} NOT_FOUND when a network of the type custom is to use an interface that is not there. */
export function requireOwnInterface(
  { type, interface: name }: CreateNetwork,
  interfaces: readonly HostInterface[],
): void {
  if (type === "custom" && !interfaces.some((existing) => existing.name === name))
    throw new KleeError("NOT_FOUND", `the host has no interface ${name}; a network of the type custom needs one`);
}

export function refuseNetworkOverlap(subnet: Subnet, networks: readonly Network[]): void {
  for (const network of networks)
    for (const cidr of [network.subnet, network.subnet6])
      if (cidr !== "" && overlaps(subnet, storedSubnet(cidr)))
        throw new KleeError("CONFLICT", `subnet ${subnet.cidr} overlaps ${cidr} of network ${network.name}`);
}

/** A subnet that the host is attached to itself would cut the host off from it; sharing one is what `custom` is for. */
export function refuseHostOverlap(
  subnet: Subnet,
  interfaces: readonly HostInterface[],
  type: NetworkType,
  own: string | undefined,
): void {
  for (const { name, addresses, networkId } of interfaces) {
    if (networkId !== undefined || (type === "custom" && name === own)) continue;
    for (const address of addresses)
      if (overlaps(subnet, networkOfAddress(address)))
        throw new KleeError("CONFLICT", `subnet ${subnet.cidr} overlaps ${address} of the host's interface ${name}`);
  }
}

/** A subnet that the host reaches others through would cut it off from them. */
export function refuseRouter(subnet: Subnet, router: string | undefined): void {
  if (router !== undefined) throw new KleeError("CONFLICT", `subnet ${subnet.cidr} has the address ${router}`);
}
