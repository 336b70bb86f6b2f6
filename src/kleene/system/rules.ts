import { attachmentsOf, policyEndpoints } from "../container/attachments.ts";
import { containerById } from "../container/rows.ts";
import type { Context } from "../context.ts";
import type { Policy, PolicyChange, PolicyEndpoint } from "../network/policy.ts";
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
  return { networks, endpoints: await runningEndpoints(context) };
}

/** What the firewall must know of all containers that run. */
async function runningEndpoints(context: Context): Promise<PolicyEndpoint[]> {
  const elements: PolicyEndpoint[] = [];
  for (const id of context.host.jails.running().keys()) {
    const container = await containerById(context.store, id);
    if (container === undefined) continue;
    const parameters = context.host.jails.parseParameters(container.jailParam, id);
    elements.push(...policyEndpoints(await attachmentsOf(context.store, id), parameters));
  }
  return elements;
}
