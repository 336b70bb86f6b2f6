import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { HostNeighbour } from "../host/host.ts";
import type { Network } from "../model.ts";
import { text } from "../store/store.ts";
import { moveEndpoint, type WantedAddresses } from "./endpoints.ts";
import { addressToNumber, type Family, familyOf } from "./subnet.ts";

/**
 * On a network that others are on, asks whether somebody has an endpoint's addresses, and gives it others in place of
 * those that it did not ask for.
 * @throws {KleeError} CONFLICT, saying who has an address.
 */
export async function settleEndpoint(
  { host, store }: Pick<Context, "host" | "store">,
  endpointId: string,
  network: Network,
  wanted: WantedAddresses,
): Promise<void> {
  if (network.type !== "custom") return;
  const refused = new Set<bigint>();
  for (;;) {
    const row = await store.get("SELECT ip_address, ip_address6 FROM endpoint WHERE id = ?", endpointId);
    if (row === undefined) return;
    const holders = await host.interfaces.askWhoHas(
      network.interface,
      [text(row, "ip_address"), text(row, "ip_address6")].filter((address) => address !== ""),
    );
    if (holders.length === 0) return;
    for (const holder of holders) {
      const family = familyOf(holder.address) as Family;
      if (wanted[family === 4 ? "ip" : "ip6"] !== undefined) throw taken(holder);
      refused.add(addressToNumber(holder.address));
      await store.transaction((statements) => moveEndpoint(statements, endpointId, network, family, host, refused));
    }
  }
}

/**
 * Asks before a container's addresses are given to an interface that others are on: somebody may have taken one since.
 * @throws {KleeError} CONFLICT, saying who has an address.
 */
export async function refuseTaken(
  { interfaces }: Context["host"],
  network: Network,
  addresses: readonly string[],
): Promise<void> {
  if (network.type !== "custom") return;
  const present = addresses.filter((address) => address !== "");
  const [holder] = present.length === 0 ? [] : await interfaces.askWhoHas(network.interface, present);
  if (holder !== undefined) throw taken(holder);
}

const taken = ({ address, holder }: HostNeighbour): KleeError =>
  new KleeError("CONFLICT", `address ${address} is in use by ${holder}`);
