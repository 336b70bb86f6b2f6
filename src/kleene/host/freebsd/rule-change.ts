import type * as pf from "../../../ffi/freebsd/pf/index.ts";
import type { Policy, PolicyChange, PolicyNetwork } from "../../network/policy.ts";
import {
  CONTAINERS,
  containerAnchors,
  containersIn,
  endpointAddresses,
  GUESTS,
  guestsOf,
  INTERNAL,
  LOGGED,
  LOGGED_INTERNAL,
  MEMBERS,
  natRules,
  networkAddresses,
  networkAnchor,
  ROOT,
  translating,
  WITHDRAWN,
  within,
} from "./rules.ts";

/** Addresses of a table. */
export interface TableStep {
  readonly anchor: string;
  readonly table: string;
  readonly addresses: readonly string[];
}

/**
 * A change as steps, to be taken in this order: at no point in between is anything allowed that neither the policy before
 * nor the one after allows. Adding to a table and taking out of one, unlike replacing it, lets several klee processes do
 * so at the same time.
 */
export interface ChangePlan {
  /** Anchors that must be there with these rules, which never change, and a table {@link MEMBERS}, perhaps empty. */
  readonly standing: readonly pf.PfAnchor[];
  /** Addresses to add that forbid. */
  readonly restrict: readonly TableStep[];
  /** Anchors to replace, in one transaction. */
  readonly anchors: readonly pf.PfAnchor[];
  /** Addresses to add that allow. */
  readonly permit: readonly TableStep[];
  /** Addresses to take out, those that allow first. */
  readonly withdraw: readonly TableStep[];
  /** Anchors of which nothing is to stay. */
  readonly gone: readonly string[];
}

/** What a part of a policy puts into which table, those that forbid and those that allow. */
function tableEntries(
  { networks = [], endpoints = [], pairs = [], withdrawn = [] }: Partial<Policy>,
  outward: readonly string[],
): {
  forbidding: TableStep[];
  allowing: TableStep[];
} {
  const placed: readonly (readonly [PolicyNetwork, readonly string[]])[] = [
    ...networks.map((network) => [network, networkAddresses(network)] as const),
    ...endpoints.map((endpoint) => [endpoint.network, endpointAddresses(endpoint)] as const),
  ].filter(([, addresses]) => addresses.length > 0);
  return {
    forbidding: [
      ...placed.flatMap(([network, addresses]) => [
        { anchor: ROOT, table: CONTAINERS, addresses },
        ...(network.internal ? [{ anchor: ROOT, table: INTERNAL, addresses }] : []),
        ...(network.log ? [{ anchor: ROOT, table: LOGGED, addresses }] : []),
        ...(network.internal && network.log ? [{ anchor: ROOT, table: LOGGED_INTERNAL, addresses }] : []),
      ]),
      ...withdrawn.map(({ address }) => ({ anchor: ROOT, table: WITHDRAWN, addresses: [address] })),
    ],
    allowing: [
      ...placed.flatMap(([network, addresses]) => [
        { anchor: within(network.id), table: MEMBERS, addresses },
        ...translating(network, outward).map(({ anchor }) => ({ anchor, table: MEMBERS, addresses })),
      ]),
      ...[...guestsOf(pairs)].map(([id, addresses]) => ({ anchor: within(id), table: GUESTS, addresses })),
    ],
  };
}

/** One step for each table, without the addresses that the other steps have for it. */
function merged(steps: readonly TableStep[], others: readonly TableStep[]): TableStep[] {
  const key = ({ anchor, table }: TableStep): string => `${anchor} ${table}`;
  const kept = new Set(others.flatMap((step) => step.addresses.map((address) => `${key(step)} ${address}`)));
  const byTable = new Map<string, TableStep>();
  for (const step of steps) {
    const addresses = step.addresses.filter((address) => !kept.has(`${key(step)} ${address}`));
    const known = byTable.get(key(step))?.addresses ?? [];
    byTable.set(key(step), { ...step, addresses: [...new Set([...known, ...addresses])] });
  }
  return [...byTable.values()].filter(({ addresses }) => addresses.length > 0);
}

const same = (a: pf.PfAnchor, b: pf.PfAnchor | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Container anchors that the change gives other rules. */
function changedContainers(add: Partial<Policy>, remove: Partial<Policy>): pf.PfAnchor[] {
  const ids = [...new Set([...containersIn(add), ...containersIn(remove)])];
  return ids.flatMap((id) => {
    const before = containerAnchors(id, remove);
    return containerAnchors(id, add).filter((anchor, index) => !same(anchor, before[index]));
  });
}

/**
 * The steps of a change.
 * @param outward the host's interfaces but for loopback ones and klee's.
 */
export function planChange({ add = {}, remove = {} }: PolicyChange, outward: readonly string[]): ChangePlan {
  const after = tableEntries(add, outward);
  const before = tableEntries(remove, outward);
  const translated = [...(add.networks ?? []), ...(add.endpoints ?? []).map(({ network }) => network)];
  const places = translated.flatMap((network) => translating(network, outward));
  const interfaces = new Map(places.map(({ anchor, by }) => [anchor, by]));
  const added = (add.networks ?? []).map(networkAnchor);
  const kept = new Set(added.map(({ anchor }) => anchor));
  const gone = (remove.networks ?? []).map(({ id }) => within(id)).filter((anchor) => !kept.has(anchor));
  const isGone = ({ anchor }: TableStep): boolean => gone.includes(anchor);
  const isNew = ({ anchor, table }: TableStep): boolean => table === MEMBERS && kept.has(anchor);
  return {
    standing: [...interfaces].map(([anchor, by]) => ({ anchor, rules: { nat: natRules(by) } })),
    restrict: merged(after.forbidding, before.forbidding),
    anchors: [
      ...added,
      ...changedContainers(add, remove),
      ...gone.map((anchor) => ({ anchor, rules: { filter: [] } })),
    ],
    // A new network's anchor comes with its subnets: only what they do not cover is added.
    permit: merged(after.allowing, before.allowing).filter((step) => !isNew(step) || hasEndpoints(step, add)),
    withdraw: [
      ...merged(before.allowing, after.allowing).filter((step) => !isGone(step)),
      ...merged(before.forbidding, after.forbidding),
    ],
    gone,
  };
}

const hasEndpoints = ({ anchor }: TableStep, { endpoints = [] }: Partial<Policy>): boolean =>
  endpoints.some(({ network }) => within(network.id) === anchor);
