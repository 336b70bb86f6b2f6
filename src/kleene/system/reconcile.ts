import { withdrawEndpoint } from "../container/connection.ts";
import { endRun } from "../container/end.ts";
import { removeStopped } from "../container/removal.ts";
import { resumeRestart } from "../container/restart.ts";
import { takeDown } from "../container/takedown.ts";
import { removeTraces } from "../container/traces.ts";
import { applyLimits } from "../container/update.ts";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { removeDownload } from "../image/fetch.ts";
import { acquire, type LockTimeouts, NO_WAIT } from "../locks.ts";
import { removeFromHost } from "../network/networks.ts";
import { networkOf } from "../network/rows.ts";
import { writeBootId } from "../store/meta.ts";
import type { Operation } from "../store/operations.ts";
import { endOperation } from "../store/operations.ts";
import { busyObjects, cutOffOperations, type EndedContainer, endedContainers } from "./ended.ts";
import { followHost, locked, restoreAliases, restoreInterfaces, unlessHeld } from "./interfaces.ts";
import { reloadRules } from "./rules.ts";
import { isBooted, startWithHost } from "./startup.ts";

/**
 * Makes the kernel agree with the store: finishes or undoes what was cut off, takes down containers that no longer run,
 * makes missing interfaces, reloads the rules; after a boot, starts the containers that are to run then. Touches nothing
 * that the store does not name. Idempotent.
 *
 * @param when `needed`: only if the host booted or something was cut off, as another klee has not repaired meanwhile.
 * @returns one line for each thing repaired.
 */
export async function reconcile(context: Context, when: "always" | "needed" = "always"): Promise<string[]> {
  // One repairs, the others wait and then find nothing to do. All of it may be done by several at once: nobody waits for
  // one who stands still.
  using _lock = await acquire(context.host, {
    path: `${context.root}/locks/reconcile`,
    of: `the store ${context.root}`,
    ...LONG_WAIT,
  }).catch(unlessHeld);
  const { store, host } = context;
  const booted = await isBooted(context);
  const repaired: string[] = [];
  const operations = await cutOffOperations(context);
  if (when === "needed" && !booted && operations.length === 0) return [];
  const isRestart = ({ kind }: Operation): boolean => kind === "restart container";
  const settled: Operation[] = [];
  for (const operation of operations.filter((one) => !isRestart(one))) {
    const outcome = await settle(context, operation).then((done) => ({ done }), unlessHeld);
    if (outcome !== undefined) settled.push(operation);
    if (outcome?.done !== undefined) repaired.push(outcome.done);
  }
  repaired.push(...(await followHost(context)));
  repaired.push(...(await restoreInterfaces(context)));
  repaired.push(...(await takeDownAll(context, await endedContainers(context))));
  await reloadRules(context);
  await restoreAliases(context);
  // Not before all is repaired: who is killed over it leaves the rest to the next command.
  for (const { rowid } of settled) await endOperation(store, rowid);
  // Once there is all that a container needs.
  for (const operation of operations.filter(isRestart))
    await resumeRestart(context, operation, NO_WAIT).catch(unlessHeld);
  // Before the boot is noted: what is killed here is gone on with by the next command.
  if (booted) repaired.push(...(await startWithHost(context)));
  await writeBootId(store, host.bootId());
  return repaired;
}

/** As long as a boot's containers take to start. */
const LONG_WAIT: LockTimeouts = { workingMs: 30_000, stoppedMs: 0 };

/**
 * Undoes what was being made, finishes what was being removed.
 * @throws {LockHeld} when another klee works on the same.
 */
async function settle(context: Context, operation: Operation): Promise<string | undefined> {
  const { root, store, host } = context;
  const { kind, object } = operation;
  switch (kind) {
    case "create network":
    case "remove network": {
      const row = await store.get("SELECT * FROM network WHERE id = ?", object);
      if (row === undefined) return undefined;
      await removeFromHost(context, networkOf(row));
      return `${kind} ${object} was interrupted: removed it`;
    }
    case "create image":
    case "remove image":
      if ((await store.get("SELECT 1 AS one FROM image WHERE id = ?", object)) !== undefined) return undefined;
      await host.storage.removeImage(root, object);
      removeDownload(root, object);
      return `${kind} ${object} was interrupted: removed it`;
    case "create volume":
    case "remove volume":
      if ((await store.get("SELECT 1 AS one FROM volume WHERE id = ?", object)) !== undefined) return undefined;
      await host.storage.removeVolume(root, object);
      return `${kind} ${object} was interrupted: removed it`;
    case "create container":
    case "remove container": {
      const found = await locked(context, object, (container) => removeStopped(context, container));
      if (!found) {
        await host.storage.removeContainer(root, object);
        removeTraces(context, object);
      }
      return `${kind} ${object} was interrupted: removed it`;
    }
    case "connect container":
    case "disconnect container":
      return (await withdrawEndpoint(context, object, NO_WAIT))
        ? `${kind} was interrupted: disconnected it`
        : undefined;
    case "start container":
    case "stop container": {
      await locked(context, object, async (container) => {
        if (host.jails.isRunning(object)) return;
        await takeDown(context, container);
        // Its first start was its last.
        if (kind === "start container" && container.removedAtEnd) await removeStopped(context, container);
      });
      return undefined;
    }
    case "update container":
      await locked(context, object, async (container) => {
        try {
          applyLimits(context, container);
        } catch (error) {
          // No reason to keep every other command from its work: the next start has them.
          context.warn(messageOf(error));
        }
      });
      return undefined;
    case "restart container":
      return undefined;
  }
}

/**
 * Takes containers down that have ended; those that a living process works on are left to it.
 *
 * @returns one line for each.
 */
export async function takeDownAll(context: Context, ended: readonly EndedContainer[]): Promise<string[]> {
  const { jails } = context.host;
  const done: string[] = [];
  if (ended.length === 0) return done;
  const busy = await busyObjects(context);
  for (const { id, name } of ended) {
    if (busy.has(id)) continue;
    // Whoever holds its lock is doing so.
    await locked(context, id, async (container) => {
      if ((container.execution === undefined && !jails.exists(id)) || jails.isRunning(id)) return;
      await endRun(context, container);
      done.push(`container ${name} (${id}) had ended: took it down`);
    }).catch(unlessHeld);
  }
  return done;
}
