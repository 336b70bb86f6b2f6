import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { disconnectAll } from "../network/endpoints.ts";
import { endCreation } from "../store/operations.ts";
import type { Statements } from "../store/store.ts";
import { cancelRestart } from "./restart.ts";
import { containerById, type StoredContainer } from "./rows.ts";
import { takeDown } from "./takedown.ts";
import { removeTraces } from "./traces.ts";

/** Removes a stopped container from kernel, disk and store, in this order. Idempotent; the caller holds its lock. */
export async function removeStopped(context: Context, container: StoredContainer): Promise<void> {
  const { host, root, store } = context;
  await withUndo(context, "remove container", container.id, undefined, async () => {
    await cancelRestart(context, container);
    // Asked anew: as a rule the caller has just taken it down.
    const { execution } = (await containerById(store, container.id)) ?? {};
    if (execution !== undefined || host.jails.exists(container.id)) await takeDown(context, container);
    await store.transaction((statements) => deleteContainer(statements, container.id));
    await host.storage.removeContainer(root, container.id);
    removeTraces(context, container.id);
  });
}

/** Takes a container's rows out of the store and frees its addresses. Belongs inside one transaction. */
export async function deleteContainer(statements: Statements, id: string): Promise<void> {
  await disconnectAll(statements, id);
  await endCreation(statements, id);
  await statements.run("DELETE FROM container WHERE id = ?", id);
}
