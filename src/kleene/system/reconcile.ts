import { rmSync } from "node:fs";
import { aliasesOf, attachmentsOf, makerOf } from "../container/attachments.ts";
import { withdrawEndpoint } from "../container/connection.ts";
import { removeConsole } from "../container/console.ts";
import { removeStopped } from "../container/containers.ts";
import { endRun } from "../container/end.ts";
import { lockPath, withContainer } from "../container/lock.ts";
import { removeLog } from "../container/log.ts";
import { removeRecord } from "../container/record.ts";
import { resumeRestart } from "../container/restart.ts";
import { containerById, type StoredContainer } from "../container/rows.ts";
import { takeDown } from "../container/takedown.ts";
import { applyLimits } from "../container/update.ts";
import type { Context } from "../context.ts";
import { KleeError, messageOf } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { removeDownload } from "../image/fetch.ts";
import { acquire, IMPATIENT, LockHeld, type Patience } from "../locks.ts";
import type { Network } from "../model.ts";
import { makeInterface } from "../network/interface.ts";
import { removeFromHost } from "../network/networks.ts";
import { allNetworks, networkOf } from "../network/rows.ts";
import { writeBootId } from "../store/meta.ts";
import type { Operation } from "../store/operations.ts";
import { endOperation } from "../store/operations.ts";
import { busyObjects, cutOffOperations, type EndedContainer, endedContainers } from "./ended.ts";
import { reloadRules, withRules } from "./rules.ts";
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
    ...UNHURRIED,
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
  repaired.push(...(await restoreInterfaces(context)));
  repaired.push(...(await takeDownAll(context, await endedContainers(context))));
  await reloadRules(context);
  await restoreAliases(context);
  // Not before all is repaired: who is killed over it leaves the rest to the next command.
  for (const { rowid } of settled) await endOperation(store, rowid);
  // Once there is all that a container needs.
  for (const operation of operations.filter(isRestart))
    await resumeRestart(context, operation, IMPATIENT).catch(unlessHeld);
  // Before the boot is noted: what is killed here is gone on with by the next command.
  if (booted) repaired.push(...(await startWithHost(context)));
  await writeBootId(store, host.bootId());
  return repaired;
}

/** As long as a boot's containers take to start. */
const UNHURRIED: Patience = { workingMs: 30_000, stoppedMs: 0 };

/** How long it may take others to let go of a container, whose addresses are put back then. */
const BRIEF: Patience = { workingMs: 1000, stoppedMs: 0 };

/** What another klee works on is left to it, or to the next command. */
function unlessHeld(error: unknown): undefined {
  if (!(error instanceof LockHeld)) throw error;
}

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
    case "create container":
    case "remove container": {
      const found = await locked(context, object, (container) => removeStopped(context, container));
      if (!found) {
        await host.storage.removeContainer(root, object);
        removeLog(context, object);
        removeRecord(context, object);
        removeConsole(context, object);
        rmSync(lockPath(context, object), { force: true });
      }
      return `${kind} ${object} was interrupted: removed it`;
    }
    case "connect container":
    case "disconnect container":
      return (await withdrawEndpoint(context, object, IMPATIENT))
        ? `${kind} was interrupted: disconnected it`
        : undefined;
    case "start container":
    case "stop container": {
      await locked(context, object, async (container) => {
        if (!host.jails.isRunning(object)) await takeDown(context, container);
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
 * False when there is no such container.
 * @throws {LockHeld} when another klee works on it.
 */
async function locked(
  context: Context,
  id: string,
  work: (container: StoredContainer) => Promise<void>,
  patience = IMPATIENT,
): Promise<boolean> {
  if ((await containerById(context.store, id)) === undefined) return false;
  try {
    await withContainer(context, id, work, patience);
    return true;
  } catch (error) {
    if (error instanceof KleeError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}

/** Makes interfaces again that went. Not those of networks that another command makes or removes at this moment. */
async function restoreInterfaces(context: Context): Promise<string[]> {
  const { store, host } = context;
  const networks = await allNetworks(store);
  const busy = await busyObjects(context);
  const owners = new Map(host.interfaces.list().map(({ name, networkId }) => [name, networkId]));
  const restored: string[] = [];
  for (const { id, type, interface: name } of networks) {
    if (type === "custom" || owners.get(name) === id || busy.has(id)) continue;
    // Under the lock that a removal holds from before the interface goes until the row has gone: while there is a row,
    // whoever removes the network is still to remove the interface.
    await withRules(context, async () => {
      const row = await store.get("SELECT * FROM network WHERE id = ?", id);
      // Another klee may have made it meanwhile.
      const made = host.interfaces.list().some((one) => one.name === name && one.networkId === id);
      if (row === undefined || made) return;
      // One that an earlier repair was killed over has no mark yet.
      host.interfaces.remove(name, id);
      const network = networkOf(row);
      remakeInterface(host, network);
      restored.push(`network ${network.name}: made interface ${name} again`);
    });
  }
  return restored;
}

function remakeInterface(host: Host, network: Network): void {
  try {
    makeInterface(host, network);
  } catch (error) {
    if (!(error instanceof KleeError && error.code === "CONFLICT")) throw error;
    const { name, interface: wanted } = network;
    throw new KleeError(
      "CONFLICT",
      `network ${name} had the interface ${wanted}, and now one that is not klee's has that name; rename or remove it`,
      { cause: error },
    );
  }
}

/** Gives the containers that run the addresses back which went with an interface. The rules for them are there. */
async function restoreAliases(context: Context): Promise<void> {
  const { store, host } = context;
  for (const id of host.jails.running().keys()) {
    const restore = async (): Promise<void> => {
      if (!host.jails.isRunning(id)) return;
      for (const { endpoint, network } of await attachmentsOf(store, id))
        host.interfaces.addAliases(network.interface, aliasesOf(endpoint), makerOf(network));
    };
    await locked(context, id, restore, BRIEF).catch(unlessHeld);
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
