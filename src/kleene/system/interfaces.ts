import { type Attachment, addAliasesOf, aliasesOf, attachmentsOf, makerOf } from "../container/attachments.ts";
import { withContainer } from "../container/lock.ts";
import { containerById, type StoredContainer } from "../container/rows.ts";
import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { LockHeld, type LockTimeouts, NO_WAIT } from "../locks.ts";
import type { Network } from "../model.ts";
import { followGateway, noteAgain, renamedInterfaces, renameInRows, strandedPorts } from "../network/followed.ts";
import { makeInterface } from "../network/interface.ts";
import { allNetworks, networkOf } from "../network/rows.ts";
import { busyObjects } from "./ended.ts";
import { reloadRules, withRules } from "./rules.ts";

/**
 * Has the store name interfaces as they are called now, and published ports go with the default route. The rules for them
 * are to be loaded then.
 *
 * @returns one line for each.
 */
export async function followHost(context: Context): Promise<string[]> {
  const { store, host } = context;
  const interfaces = host.interfaces.list();
  const renamed = await renamedInterfaces(context, interfaces);
  const gateway = host.interfaces.defaultInterface();
  return store.transaction(async (statements) => {
    await renameInRows(statements, renamed);
    await noteAgain(statements, host, interfaces);
    const stranded = await strandedPorts(statements, gateway);
    await followGateway(statements, gateway);
    return [
      ...renamed.map(({ from, to }) => `interface ${from} is called ${to} now: followed it`),
      ...stranded.map(
        ({ container, interface: from }) =>
          `container ${container}: published on ${gateway}, where the default route is, no longer on ${from}`,
      ),
    ];
  });
}

/** What `followHost` would do, one line each. */
export async function unfollowed(context: Context): Promise<string[]> {
  const { store, host } = context;
  const gateway = host.interfaces.defaultInterface();
  const renamed = await renamedInterfaces(context, host.interfaces.list());
  return [
    ...renamed.map(({ from, to }) => `interface ${from} is called ${to} now; klee system reconcile follows it`),
    ...(await strandedPorts(store, gateway)).map(
      ({ container, interface: from }) =>
        `container ${container}: its ports are published on ${from}, and the default route is by ${gateway} now; klee system reconcile moves them`,
    ),
  ];
}

/** Repairs interfaces as `reconcile` does, for a container that is being started. @returns false when there was nothing to do. */
export async function repairInterfaces(context: Context): Promise<boolean> {
  const done = [...(await followHost(context)), ...(await restoreInterfaces(context))];
  if (done.length > 0) {
    await reloadRules(context);
    // It does not run, so nobody who holds the lock of one that runs waits for its.
    await restoreAliases(context);
  }
  return done.length > 0;
}

/** Takes a container's addresses from the interface of a network, whatever that is called now. */
export async function removeAliasesOf(context: Context, { endpoint, network }: Attachment): Promise<void> {
  const { interfaces } = context.host;
  const remove = (name: string): boolean => interfaces.removeAliases(name, aliasesOf(endpoint), makerOf(network));
  if (remove(network.interface)) return;
  const renamed = await renamedInterfaces(context, interfaces.list());
  const found = renamed.find(({ from }) => from === network.interface);
  if (found !== undefined) remove(found.to);
}

/** Makes interfaces again that went. Not those of networks that another command makes or removes at this moment. */
export async function restoreInterfaces(context: Context): Promise<string[]> {
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

/** How long it may take others to let go of a container, whose addresses are put back then. */
const BRIEF_WAIT: LockTimeouts = { workingMs: 1000, stoppedMs: 0 };

/** Gives the containers that run the addresses back which went with an interface. The rules for them are there. */
export async function restoreAliases(context: Context): Promise<void> {
  const { store, host } = context;
  for (const id of host.jails.running().keys()) {
    const restore = async (): Promise<void> => {
      if (!host.jails.isRunning(id)) return;
      for (const attachment of await attachmentsOf(store, id)) addAliasesOf(host, attachment);
    };
    await locked(context, id, restore, BRIEF_WAIT).catch(unlessHeld);
  }
}

/**
 * False when there is no such container.
 * @throws {LockHeld} when another klee works on it.
 */
export async function locked(
  context: Context,
  id: string,
  work: (container: StoredContainer) => Promise<void>,
  timeouts = NO_WAIT,
): Promise<boolean> {
  if ((await containerById(context.store, id)) === undefined) return false;
  try {
    await withContainer(context, id, work, timeouts);
    return true;
  } catch (error) {
    if (error instanceof KleeError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}

/** What another klee works on is left to it, or to the next command. */
export function unlessHeld(error: unknown): undefined {
  if (!(error instanceof LockHeld)) throw error;
}
