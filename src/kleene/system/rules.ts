import { attachmentsOf, policyContainer } from "../container/attachments.ts";
import { containerById } from "../container/rows.ts";
import type { Context } from "../context.ts";
import { type Policy, type PolicyChange, type PolicyContainer, policyOf } from "../network/policy.ts";
import { publishedBy } from "../network/ports.ts";
import { allNetworks, policyNetwork } from "../network/rows.ts";

/**
 * Changes klee's rules in the kernel. Where somebody took them away (`nft flush ruleset`), all of them are loaded again
 * first: no container is ever reachable, or let out, without them.
 */
export async function changeRules(context: Context, change: PolicyChange): Promise<void> {
  const { firewall } = context.host;
  if (!firewall.loaded()) firewall.load(await currentPolicy(context));
  firewall.change(change);
}

/** The rules for all networks and for the containers that run. */
export async function currentPolicy(context: Context): Promise<Policy> {
  const networks = (await allNetworks(context.store)).map(policyNetwork);
  return policyOf(networks, await runningContainers(context));
}

async function runningContainers({ store, host }: Context): Promise<PolicyContainer[]> {
  const found: PolicyContainer[] = [];
  for (const id of host.jails.running().keys()) {
    const container = await containerById(store, id);
    if (container === undefined) continue;
    const parameters = host.jails.parseParameters(container.jailParam, id);
    const attachments = await attachmentsOf(store, id);
    found.push(policyContainer(container, attachments, await publishedBy(store, id), parameters));
  }
  return found;
}
