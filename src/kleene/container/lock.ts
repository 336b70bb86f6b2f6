import { closeSync, existsSync, openSync } from "node:fs";
import type { Context } from "../context.ts";
import { isId, notFound } from "../identity.ts";
import { acquire, type LockRequest, type LockTimeouts } from "../locks.ts";
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

/** A stop may take as long as its container's parameters say; what stands still does not come to an end. */
const CONTAINER_WAIT: LockTimeouts = { workingMs: Number.POSITIVE_INFINITY, stoppedMs: 5000 };

/**
 * Holds the container's lock while `work` changes it. Commands on one container queue here; others do not wait.
 * @throws {LockHeld} when another klee has it for longer than one waits.
 */
export async function withContainer<T>(
  context: Context,
  id: string,
  work: (container: StoredContainer) => Promise<T>,
  timeouts: LockTimeouts = CONTAINER_WAIT,
): Promise<T> {
  const { host, store } = context;
  const request: LockRequest = { path: lockPath(context, id), of: `container ${id}`, make: false, ...timeouts };
  // An older klee made the file when it first needed it.
  const lock =
    (await acquire(host, request)) ??
    ((await containerById(store, id)) === undefined ? undefined : await acquire(host, { ...request, make: true }));
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
