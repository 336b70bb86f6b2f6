import { rmSync } from "node:fs";
import type { Context } from "../context.ts";
import { notFound } from "../identity.ts";
import { containerById, type StoredContainer } from "./rows.ts";

/** File that is locked while a container is changed; it goes with the container. */
export const lockPath = (context: Context, id: string): string => `${context.root}/locks/${id}`;

/** Holds the container's lock while `work` changes it. Commands on one container queue here; others do not wait. */
export async function withContainer<T>(
  context: Context,
  id: string,
  work: (container: StoredContainer) => Promise<T>,
): Promise<T> {
  const lock = await context.host.lock(lockPath(context, id));
  try {
    // Another command may have removed or changed it while this one waited.
    const container = await containerById(context.store, id);
    if (container === undefined) {
      rmSync(lockPath(context, id), { force: true });
      throw notFound("container", id);
    }
    return await work(container);
  } finally {
    lock[Symbol.dispose]();
  }
}
