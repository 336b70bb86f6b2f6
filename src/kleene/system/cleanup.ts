import { Containers } from "../container/containers.ts";
import { removeTraces } from "../container/traces.ts";
import type { Context } from "../context.ts";
import { Images } from "../image/images.ts";
import { Networks } from "../network/networks.ts";
import { Volumes } from "../volume/volumes.ts";
import { unknownContainers } from "./strays.ts";

/** Stops and removes every container, then every network, every image and every volume. Returns a line for each. */
export async function cleanUp(context: Context): Promise<string[]> {
  const containers = new Containers(context);
  const networks = new Networks(context);
  const images = new Images(context);
  const volumes = new Volumes(context);
  const removed: string[] = [];
  for (const { id } of await containers.list({ all: true }))
    removed.push(`container ${await containers.remove(id, { force: true })}`);
  for (const { id } of await networks.list()) removed.push(`network ${await networks.remove(id)}`);
  for (const { id } of await images.list()) removed.push(`image ${await images.remove(id)}`);
  for (const { name } of await volumes.list()) removed.push(`volume ${await volumes.remove(name)}`);
  for (const { id } of await unknownContainers(context)) {
    await context.host.jails.remove(id);
    await context.host.storage.removeContainer(context.root, id);
    removeTraces(context, id);
    removed.push(`container ${id}`);
  }
  context.host.firewall.unload();
  for (const { name, networkId } of context.host.interfaces.list())
    if (networkId !== undefined)
      context.warn(
        `interface ${name} is of a network ${networkId} that this store does not know; unless another store has it, remove it`,
      );
  return removed;
}
