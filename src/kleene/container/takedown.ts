import type { Context } from "../context.ts";
import { containerPolicy } from "../network/policy.ts";
import { publishedBy } from "../network/published.ts";
import { atOnce } from "../store/store.ts";
import { removeAliasesOf } from "../system/interfaces.ts";
import { withRules } from "../system/rules.ts";
import { allAddresses, attachmentsOf, policyContainer, withdrawnOf } from "./attachments.ts";
import { readRecord } from "./record.ts";
import { endExecution, outlivesBoot, type StoredContainer } from "./rows.ts";

/**
 * Removes a container from the kernel: its processes and jail, then its rules, its addresses, and the connections that were
 * made meanwhile. In this order an address is free only when nothing uses it any more. Idempotent. The caller holds the
 * container's lock.
 */
export async function takeDown(context: Context, container: StoredContainer): Promise<void> {
  const { host, store } = context;
  const { id } = container;
  const sockets = await host.jails.remove(id);
  const [attachments, ports, withdrawn] = await atOnce([
    attachmentsOf(store, id),
    publishedBy(store, id),
    withdrawnOf(store, id),
  ]);
  const parameters = host.jails.parseParameters(container.jailParam, id);
  const end = (): Promise<void> =>
    endExecution(store.alone(outlivesBoot(container)), id, readRecord(context, id)?.status);
  if (attachments.length === 0 && withdrawn.length === 0) return end();
  const policy = containerPolicy(policyContainer(container, attachments, ports, parameters, withdrawn));
  await withRules(context, async (change) => {
    // Others may have connected to a published port, even if nothing listened there.
    await change({ remove: policy, unconnected: !sockets && ports.length === 0 });
    for (const attachment of attachments) await removeAliasesOf(context, attachment);
    host.firewall.endConnections(allAddresses(attachments));
    await end();
  });
}
