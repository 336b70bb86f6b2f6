import type { Host } from "../host/host.ts";
import type { Network } from "../model.ts";
import {
  addressToNumber,
  contains,
  type Family,
  familyOf,
  networkOfAddress,
  numberToAddress,
  type Subnet,
} from "./subnet.ts";

/** What tells who has addresses on the host and around it. */
export interface Holders {
  readonly interfaces: Pick<Host["interfaces"], "holderOf" | "find" | "neighbours">;
}

/** Why a container cannot have an address. */
export interface Taken {
  /** `in use by ...`, `the broadcast address of ...`. */
  readonly why: string;
  /** Somebody had it a while ago: whether still, only asking tells. */
  readonly perhaps: boolean;
}

/** Tells whether others than a network's containers have an address, or nobody can. */
export function takenIn(
  { interfaces }: Holders,
  network: Network,
  family: Family,
): (address: bigint) => Taken | undefined {
  // Elsewhere the subnet is klee's alone.
  const around = network.type === "custom" ? takenAround(interfaces, network.interface, family) : undefined;
  return (address) => {
    const name = interfaces.holderOf(numberToAddress(family, address));
    // A custom network's interface is the host's: what it has there is not free either.
    if (name !== undefined && (name !== network.interface || around !== undefined))
      return { why: `in use by the host's interface ${name}`, perhaps: false };
    return around?.get(address);
  };
}

/** Addresses of routers, neighbours, and those of an interface's subnets that nobody can have. */
function takenAround(interfaces: Holders["interfaces"], name: string, family: Family): Map<bigint, Taken> {
  const found = new Map<bigint, Taken>();
  for (const { address, holder, router } of interfaces.neighbours()) {
    if (familyOf(address) !== family) continue;
    const key = addressToNumber(address);
    if (found.get(key)?.perhaps ?? true) found.set(key, { why: `in use by ${holder}`, perhaps: !router });
  }
  for (const address of interfaces.find(name)?.addresses ?? []) {
    const subnet = networkOfAddress(address);
    if (subnet.family !== family) continue;
    if (subnet.first !== subnet.firstUsable)
      found.set(subnet.first, { why: `the network address of ${subnet.cidr} on ${name}`, perhaps: false });
    if (subnet.last !== subnet.lastUsable)
      found.set(subnet.last, { why: `the broadcast address of ${subnet.cidr} on ${name}`, perhaps: false });
  }
  return found;
}

/** The router, or other end of a link, whose address a subnet holds. */
export function routerIn({ interfaces }: Holders, subnet: Subnet): string | undefined {
  const found = interfaces
    .neighbours()
    .find(
      ({ address, router }) =>
        router && familyOf(address) === subnet.family && contains(subnet, addressToNumber(address)),
    );
  return found && `${found.address} of ${found.holder}`;
}
