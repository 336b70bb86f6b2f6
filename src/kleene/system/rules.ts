import { attachmentsOf, policyContainer, withdrawnOf } from "../container/attachments.ts";
import { storedContainer } from "../container/rows.ts";
import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import { acquire, type LockTimeouts } from "../locks.ts";
import { type Policy, type PolicyChange, type PolicyContainer, policyOf } from "../network/policy.ts";
import { publishedBy } from "../network/published.ts";
import { allNetworks, policyNetwork } from "../network/rows.ts";

export type ChangeRules = (change: PolicyChange) => Promise<void>;

/**
 * Changes klee's rules and the rows that they follow from as one: no other command loads the rules anew between the
 * two. What is withdrawn stays withdrawn, what is added stays.
 * @throws {LockHeld} when another klee is at it for too long.
 */
export async function withRules<T>(context: Context, work: (change: ChangeRules) => Promise<T>): Promise<T> {
  const { host, root } = context;
  using _lock = await acquire(host, {
    path: `${root}/locks/firewall`,
    of: "the set of klee's rules",
    ...RULES_WAIT,
    wake: true,
  });
  return await work((change) => changeRules(context, change));
}

/** Nothing that is done with the lock takes longer, on however busy a machine. */
const RULES_WAIT: LockTimeouts = { workingMs: 30_000, stoppedMs: 10_000 };

/** {@link withRules} for a change whose rows are there already. */
export function addRules(context: Context, add: Partial<Policy>): Promise<void> {
  return withRules(context, (change) => change({ add }));
}

/** Loads the rules that the store asks for, in place of those in the kernel. */
export function reloadRules(context: Context): Promise<void> {
  return withRules(context, async () => {
    const policy = await currentPolicy(context);
    if (policy.networks.length === 0) context.host.firewall.unload();
    else context.host.firewall.load(policy);
  });
}

/**
 * Where somebody took klee's rules away (`nft flush ruleset`), or changed them, all of them are loaded again first: no
 * container is ever reachable, or let out, without them. What only goes, goes without: where the host's firewall is off, or
 * was never there, a start that failed for it must leave nothing, nor must a container that ends.
 */
async function changeRules(context: Context, change: PolicyChange): Promise<void> {
  const { firewall } = context.host;
  if (firewall.loaded()) {
    try {
      return firewall.change(change);
    } catch {
      // The kernel does not hold what it should. If the cause is another one, loading fails as well and says so.
    }
  }
  const unlessOff = change.add === undefined ? ignoreUnsupported : (act: () => void): void => act();
  const policy = await currentPolicy(context);
  unlessOff(() => firewall.load(policy));
  unlessOff(() => firewall.change(change));
}

function ignoreUnsupported(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof KleeError && error.code === "UNSUPPORTED")) throw error;
  }
}

/** The rules for all networks, and for the containers that are to run: from before they start to when they are down. */
export async function currentPolicy(context: Context): Promise<Policy> {
  const networks = (await allNetworks(context.store)).map(policyNetwork);
  return policyOf(networks, await runningContainers(context));
}

async function runningContainers({ store, host }: Context): Promise<PolicyContainer[]> {
  const found: PolicyContainer[] = [];
  for (const row of await store.all("SELECT * FROM container WHERE execution IS NOT NULL")) {
    const container = storedContainer(row);
    const { id } = container;
    const parameters = host.jails.parseParameters(container.jailParam, id);
    const attachments = await attachmentsOf(store, id);
    const withdrawn = await withdrawnOf(store, id);
    found.push(policyContainer(container, attachments, await publishedBy(store, id), parameters, withdrawn));
  }
  return found;
}
