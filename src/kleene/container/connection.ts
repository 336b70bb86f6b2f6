import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import { newId, resolve } from "../identity.ts";
import type { LockTimeouts } from "../locks.ts";
import type { ConnectContainer } from "../model.ts";
import { drivers } from "../network/drivers/table.ts";
import { checkWanted, connect, disconnect } from "../network/endpoints.ts";
import { containerPolicy, type Policy } from "../network/policy.ts";
import { publishedBy } from "../network/published.ts";
import { networkOf, policyNetwork } from "../network/rows.ts";
import { settleEndpoint } from "../network/settle.ts";
import { text } from "../store/store.ts";
import { removeAliasesOf } from "../system/interfaces.ts";
import { type ChangeRules, withRules } from "../system/rules.ts";
import {
  type Attachment,
  addAliasesOf,
  addressesOf,
  allAddresses,
  attachmentsOf,
  policyContainer,
  withdrawnOf,
} from "./attachments.ts";
import { withContainer } from "./lock.ts";
import { containerById, type StoredContainer } from "./rows.ts";

/**
 * Connects a container to one more network; while it runs, at once. Its primary addresses stay what they are.
 * @throws {KleeError} CONFLICT when it is connected already, has no network of its own, or no address is free.
 */
export async function connectContainer(
  context: Context,
  networkReference: string,
  containerReference: string,
  wanted: ConnectContainer,
): Promise<void> {
  const { store, host } = context;
  const addresses = { ip: wanted.ip, ip6: wanted.ip6 };
  checkWanted(addresses);
  const { id } = networkOf(await resolve(store, "network", networkReference));
  await withResolved(context, containerReference, async (container) => {
    if (!drivers[container.driver].connects)
      throw new KleeError(
        "CONFLICT",
        `containers with the '${container.driver}' network-driver cannot connect to networks`,
      );
    const endpointId = newId();
    await withUndo(
      context,
      "connect container",
      endpointId,
      async (statements) => {
        const network = networkOf(await resolve(statements, "network", id));
        const before = await attachmentsOf(statements, container.id);
        if (before.some((attachment) => attachment.network.id === id))
          throw new KleeError(
            "CONFLICT",
            `container already connected to the network: ${container.name}, ${network.name}`,
          );
        await connect(statements, endpointId, container.id, network, addresses, host);
        return { before, network };
      },
      async ({ before, network }, undo) => {
        undo.push(() => withdraw(context, container, endpointId));
        await settleEndpoint(context, endpointId, network, addresses);
        const after = await attachmentsOf(store, container.id);
        if (!isRunning(context, container)) return;
        for (const attachment of after) if (attachment.endpoint.id === endpointId) addAliasesOf(host, attachment);
        await withRules(context, (change) => exchange(context, container, change, before, after));
      },
    );
  });
}

/**
 * Takes a container out of a network; while it runs, at once.
 * @throws {KleeError} CONFLICT when it is not connected to it.
 */
export async function disconnectContainer(
  context: Context,
  networkReference: string,
  containerReference: string,
): Promise<void> {
  const network = networkOf(await resolve(context.store, "network", networkReference));
  await withResolved(context, containerReference, async (container) => {
    const attachments = await attachmentsOf(context.store, container.id);
    const found = attachments.find((attachment) => attachment.network.id === network.id);
    if (found === undefined)
      throw new KleeError("CONFLICT", `container ${container.name} is not connected to network ${network.name}`);
    await withUndo(context, "disconnect container", found.endpoint.id, undefined, () =>
      withdraw(context, container, found.endpoint.id),
    );
  });
}

/**
 * Finishes what was cut off while an endpoint was made or removed: it goes.
 * @throws {LockHeld}
 */
export async function withdrawEndpoint(context: Context, endpointId: string, timeouts: LockTimeouts): Promise<boolean> {
  const row = await context.store.get("SELECT container_id FROM endpoint WHERE id = ?", endpointId);
  if (row === undefined) return false;
  const work = (container: StoredContainer): Promise<void> => withdraw(context, container, endpointId);
  await withContainer(context, text(row, "container_id"), work, timeouts);
  return true;
}

/**
 * Removes an endpoint: first the container loses the address, then the rules and the connections, then the interface,
 * then what connected in between, and only then may others have it. Idempotent. The caller holds the container's lock.
 */
async function withdraw(context: Context, container: StoredContainer, endpointId: string): Promise<void> {
  const { store, host } = context;
  const before = await attachmentsOf(store, container.id);
  const gone = before.find(({ endpoint }) => endpoint.id === endpointId);
  if (gone === undefined) return;
  await withRules(context, async (change) => {
    if (isRunning(context, container)) {
      const after = before.filter((attachment) => attachment !== gone);
      await exchange(context, container, change, before, after);
      await removeAliasesOf(context, gone);
      host.firewall.endConnections(allAddresses([gone]));
    }
    await store.transaction((statements) => disconnect(statements, endpointId));
  });
}

/**
 * Gives a running container other addresses. It has those that it gains only once the rules for them are there, and
 * those that it loses no longer when theirs go.
 */
async function exchange(
  context: Context,
  container: StoredContainer,
  change: ChangeRules,
  before: readonly Attachment[],
  after: readonly Attachment[],
): Promise<void> {
  const { jails } = context.host;
  const { id, driver } = container;
  const { access } = drivers[driver];
  const parameters = jails.parseParameters(container.jailParam, id);
  const ports = await publishedBy(context.store, id);
  const withdrawn = await withdrawnOf(context.store, id);
  const kept = new Set(after.map(({ endpoint }) => endpoint.id));
  const lost = allAddresses(
    before.filter(({ endpoint, network }) => !kept.has(endpoint.id) && !policyNetwork(network).exclusive),
  );
  const policy = (attachments: readonly Attachment[], without: readonly string[]): Policy =>
    containerPolicy(policyContainer(container, attachments, ports, parameters, without));
  const rules = (): Promise<void> =>
    change({ remove: policy(before, withdrawn), add: policy(after, [...withdrawn, ...lost]) });
  if (after.length > before.length) await rules();
  await jails.changeAddresses({ id, access, addresses: addressesOf(after), parameters });
  if (after.length <= before.length) await rules();
}

function isRunning({ host }: Context, { id }: StoredContainer): boolean {
  return host.jails.isRunning(id);
}

async function withResolved(
  context: Context,
  reference: string,
  work: (container: StoredContainer) => Promise<void>,
): Promise<void> {
  const id = text(await resolve(context.store, "container", reference), "id");
  context.host.checkSystem();
  if ((await containerById(context.store, id)) !== undefined) await withContainer(context, id, work);
}
