import { aliasesOf, attachmentsOf } from "../container/attachments.ts";
import type { Context } from "../context.ts";
import { allNetworks } from "../network/rows.ts";
import { text } from "../store/store.ts";
import { busyObjects } from "./ended.ts";

/**
 * Where the addresses on klee's interfaces are not those of the containers that run, one line each. Only told, not
 * repaired: whoever added or removed one did it behind klee's back, and may do so again.
 */
export async function strayAddresses(context: Context): Promise<string[]> {
  const { store, host } = context;
  // In this order: whose address is seen here is running by the next line, or still being worked on by the one after.
  const interfaces = host.interfaces.list();
  const running = host.jails.running();
  const busy = await busyObjects(context);
  const owners = new Map<string, { readonly name: string; readonly state: "running" | "stopped" | "busy" }>();
  for (const row of await store.all("SELECT id, name FROM container")) {
    const id = text(row, "id");
    const state = busy.has(id) ? "busy" : running.has(id) ? "running" : "stopped";
    for (const { endpoint, network } of await attachmentsOf(store, id))
      for (const address of aliasesOf(endpoint))
        owners.set(`${network.interface} ${address}`, { name: text(row, "name"), state });
  }
  const lines: string[] = [];
  for (const { id, interface: name } of await allNetworks(store)) {
    const found = interfaces.find((candidate) => candidate.name === name && candidate.networkId === id);
    if (found === undefined) continue;
    for (const address of found.addresses.filter(isAlias)) {
      const owner = owners.get(`${name} ${address}`);
      if (owner === undefined || owner.state === "stopped")
        lines.push(`interface ${name}: no running container has its address ${address}; remove it`);
    }
    for (const [key, owner] of owners) {
      const [interfaceName, address = ""] = key.split(" ");
      if (interfaceName === name && owner.state === "running" && !found.addresses.includes(address))
        lines.push(`interface ${name}: the address ${address} is missing; restart container ${owner.name}`);
    }
  }
  return lines;
}

/** The only ones that klee adds; the kernel itself adds link-local ones, with a shorter prefix. */
const isAlias = (address: string): boolean => /\/(32|128)$/.test(address);
