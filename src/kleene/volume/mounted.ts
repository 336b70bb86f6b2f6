import { dirname } from "node:path";
import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import { acquire, type LockTimeouts } from "../locks.ts";
import type { Mountpoint } from "../model.ts";
import type { Statements } from "../store/store.ts";
import { volumeByName } from "./rows.ts";
import { Volumes } from "./volumes.ts";

/** To copy what an image has may take long; what stands still does not come to an end. */
const FILLING: LockTimeouts = { workingMs: Number.POSITIVE_INFINITY, stoppedMs: 5000 };

/**
 * Makes the volumes that mounts name and that are not there.
 * @returns the names of those made.
 */
export async function makeVolumes(context: Context, mounts: readonly Mountpoint[]): Promise<string[]> {
  const volumes = new Volumes(context);
  const made: string[] = [];
  try {
    for (const { type, source } of mounts) {
      if (type !== "volume" || (await exists(context.store, source))) continue;
      try {
        await volumes.create(source);
        made.push(source);
      } catch (error) {
        // Another klee was faster.
        if (!(error instanceof KleeError && error.code === "CONFLICT" && (await exists(context.store, source))))
          throw error;
      }
    }
    return made;
  } catch (error) {
    await removeMade(context, made);
    throw error;
  }
}

/** Takes back what {@link makeVolumes} made, but for what another container uses meanwhile. */
export async function removeMade(context: Context, made: readonly string[]): Promise<void> {
  const volumes = new Volumes(context);
  for (const name of made) await volumes.remove(name).catch(() => undefined);
}

const exists = async (statements: Statements, name: string): Promise<boolean> =>
  (await statements.get("SELECT 1 AS one FROM volume WHERE name = ?", name)) !== undefined;

/**
 * The mounts with paths of the host for volumes, which are ready then: mounted, and filled if they have never been, with
 * what the container has at their place.
 */
export async function mountedFrom(
  context: Context,
  containerId: string,
  imageDataset: string,
  mounts: readonly Mountpoint[],
): Promise<Mountpoint[]> {
  const found: Mountpoint[] = [];
  for (const mount of mounts) {
    if (mount.type !== "volume") {
      found.push(mount);
      continue;
    }
    found.push({ ...mount, source: await ready(context, mount, containerId, imageDataset) });
  }
  return found;
}

/**
 * Has a volume mounted, and filled. That is done once: nobody has it mounted before, so what a klee that was killed over it
 * left there is of no use.
 * @returns where its files are.
 */
async function ready(
  context: Context,
  { source: name, destination }: Mountpoint,
  containerId: string,
  imageDataset: string,
): Promise<string> {
  const { host, root, store } = context;
  const { id, dataset, mountpoint } = await volumeByName(store, name);
  using _lock = await acquire(host, { path: `${dirname(mountpoint)}/lock`, of: `the volume ${name}`, ...FILLING });
  host.storage.openVolume(root, id, dataset);
  if ((await volumeByName(store, name)).filled) return mountpoint;
  await host.storage.fillVolume(root, id, { containerId, imageDataset, destination });
  await store.run("UPDATE volume SET filled = 1 WHERE id = ?", id);
  return mountpoint;
}
