import { closeSync, existsSync, openSync } from "node:fs";
import type { Context } from "../context.ts";
import { isId, notFound } from "../identity.ts";
import { containerById, type StoredContainer } from "./rows.ts";

/** File that is locked while a container is changed; it comes and goes with the container. */
export const lockPath = (context: Context, id: string): string => `${context.root}/locks/${id}`;

/** Makes the file. Whoever looks for a container that has gone meanwhile must not leave a file behind, so they make none. */
export function makeLock(context: Context, id: string): void {
  closeSync(openSync(lockPath(context, id), "a", 0o600));
}

/** Is this the id of a container that can be locked? No name is taken for one: an id goes before a name. */
export function isLockable(context: Context, id: string): boolean {
  return isId(id) && existsSync(lockPath(context, id));
}

/** Holds the container's lock while `work` changes it. Commands on one container queue here; others do not wait. */
export async function withContainer<T>(
  context: Context,
  id: string,
  work: (container: StoredContainer) => Promise<T>,
): Promise<T> {
  const { host, store } = context;
  const path = lockPath(context, id);
  // An older klee made the file when it first needed it.
  const lock =
    (await host.lockExisting(path)) ??
    ((await containerById(store, id)) === undefined ? undefined : await host.lock(path));
  if (lock === undefined) throw notFound("container", id);
  try {
    // Another command may have removed or changed it while this one waited.
    const container = await containerById(store, id);
    if (container === undefined) throw notFound("container", id);
    return await work(container);
  } finally {
    lock[Symbol.dispose]();
  }
}
