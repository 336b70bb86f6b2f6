import { isErrno } from "../../../ffi/errno.ts";
import * as ifaddrs from "../../../ffi/freebsd/ifaddrs.ts";
import * as pf from "../../../ffi/freebsd/pf/index.ts";
import * as tcp from "../../../ffi/freebsd/tcp.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import { olderThan } from "../../network/older.ts";
import { type Policy, type PolicyChange, withdrawnAddresses } from "../../network/policy.ts";
import type { Firewall } from "../host.ts";
import { describePolicy } from "./description.ts";
import { GROUP, ownInterfaces } from "./interfaces.ts";
import { killAgainst, killOlder } from "./older.ts";
import { planChange, type TableStep } from "./rule-change.ts";
import { ANY, anchorsOf, BRANCHES, MEMBERS, ROOT, rootRules, UNHELD } from "./rules.ts";

const HOW_TO_ENABLE = "enable it with `sysrc pf_enable=YES` and `service pf start`";

/**
 * klee's rules in pf: an anchor of klee's own with all that is within. Of the main ruleset nothing is touched but the
 * three calls of that anchor, which are added where /etc/pf.conf has none.
 */
export class FreebsdFirewall implements Firewall {
  /** Kept: each command asks pf several times. */
  #device: pf.PfDevice | undefined;
  /** What was seen when it was asked whether the rules are loaded: for the change that follows, under the same lock. */
  #seen: { readonly outward: readonly string[]; readonly translated: boolean } | undefined;

  load(policy: Policy): void {
    this.#attempt("cannot load the firewall rules", (device) => {
      requireRunning(device);
      const wanted = anchorsOf(policy, outwardInterfaces());
      const known = new Set(wanted.map(({ anchor }) => anchor));
      const stale = ownAnchors(device).filter((anchor) => !known.has(anchor));
      pf.replaceAnchors(device, [...wanted, ...stale.map(emptied)]);
      for (const anchor of stale) pf.clearTables(device, anchor);
      pf.filterInterfaces(device, GROUP);
      pf.ensureCalls(device, ROOT);
      killAgainst(device, policy);
    });
  }

  change(change: PolicyChange): void {
    this.#attempt("cannot change the firewall rules", (device) => {
      const { outward, translated } = this.#seen ?? { outward: outwardInterfaces(), translated: false };
      this.#seen = undefined;
      const plan = planChange(change, outward);
      // They are the same for every policy: as a rule they are there.
      const missing = translated ? [] : plan.standing.filter((anchor) => !isLoaded(device, anchor));
      for (const { anchor } of missing) pf.createTable(device, anchor, MEMBERS);
      const done: TableStep[] = [];
      try {
        for (const step of plan.restrict) done.push(add(device, step));
        pf.replaceAnchors(device, [...missing, ...plan.anchors]);
        for (const step of plan.permit) done.push(add(device, step));
      } catch (error) {
        for (const step of done.reverse()) remove(device, step);
        throw error;
      }
      for (const step of plan.withdraw) remove(device, step);
      for (const anchor of plan.gone) pf.clearTables(device, anchor);
      if (change.add !== undefined) pf.filterInterfaces(device, GROUP);
      pf.killStates(device, withdrawnAddresses(change), endSockets);
      killOlder(device, olderThan(change));
    });
  }

  /** pf asks no rule about packets of a state, and its states may be older than the rules and the loss of an address. */
  endConnections(addresses: readonly string[]): void {
    try {
      this.#withPf((device) => pf.killStates(device, addresses, endSockets));
    } catch (error) {
      if (!isAbsent(error)) throw hostFailure(`cannot end the connections of ${addresses.join(", ")}`, error);
    }
  }

  unload(): void {
    this.#attempt("cannot remove the firewall rules", (device) => {
      pf.removeCalls(device, ROOT);
      const anchors = [...ownAnchors(device), UNHELD, ROOT];
      pf.replaceAnchors(device, anchors.map(emptied));
      for (const anchor of anchors) pf.clearTables(device, anchor);
    });
  }

  loaded(): boolean {
    try {
      return this.#withPf(
        (device) =>
          pf.isRunning(device) &&
          // Another version's rules have another number.
          pf.ruleCount(device, ROOT, "filter") === rootRules.filter.length &&
          pf.ruleCount(device, ROOT, "nat") === rootRules.nat.length &&
          this.#translatesAll(device) &&
          pf.missingCalls(device, ROOT).length === 0 &&
          // `set skip on lo` means klee's interfaces, too, at each load of pf.conf.
          pf.skippedInterfaces(device, GROUP).length === 0,
      );
    } catch (error) {
      if (isAbsent(error)) return false;
      throw hostFailure("cannot read the firewall's rules", error);
    }
  }

  /** False for an interface that came, or has another name, since the rules were loaded. */
  #translatesAll(device: pf.PfDevice): boolean {
    const translates = (name: string): boolean => pf.ruleCount(device, `${ANY}/${name}`, "nat") > 0;
    const outward = outwardInterfaces();
    const translated = outward.every(translates);
    this.#seen = { outward, translated };
    return translated || !pf.childAnchors(device, ANY).some(translates);
  }

  agrees(policy: Policy): boolean {
    try {
      return this.#withPf((device) => {
        const wanted = anchorsOf(policy, outwardInterfaces());
        const known = new Set(wanted.map(({ anchor }) => anchor));
        const stale = ownAnchors(device).filter((anchor) => !known.has(anchor));
        return wanted.every((one) => holds(device, one)) && stale.every((anchor) => holds(device, emptied(anchor)));
      });
    } catch (error) {
      throw hostFailure("cannot read the firewall's rules", error);
    }
  }

  describe(policy: Policy): string {
    return describePolicy(policy, outwardInterfaces());
  }

  #attempt(what: string, act: (device: pf.PfDevice) => void): void {
    try {
      this.#withPf(act);
    } catch (error) {
      if (isAbsent(error)) throw new KleeError("UNSUPPORTED", `pf is not loaded; ${HOW_TO_ENABLE}`, { cause: error });
      throw hostFailure(what, error);
    }
  }

  #withPf<T>(act: (device: pf.PfDevice) => T): T {
    if (this.#device !== undefined)
      try {
        return act(this.#device);
      } catch (error) {
        if (!isGone(error)) throw error;
        this.#device[Symbol.dispose]();
      }
    this.#device = undefined;
    this.#device = new pf.PfDevice();
    return act(this.#device);
  }
}

/** klee's anchors within the root, as the kernel has them. */
function ownAnchors(device: pf.PfDevice): string[] {
  return BRANCHES.flatMap((branch) =>
    pf.childAnchors(device, `${ROOT}/${branch}`).map((name) => `${ROOT}/${branch}/${name}`),
  );
}

/**
 * pf removes an anchor by itself once nothing is left in it, nor begun by a klee that was killed: at once, or where its
 * rules named tables when it frees these, 10 to 20 seconds later. Until then it is listed, and is emptied again or filled.
 */
const emptied = (anchor: string): pf.PfAnchor => ({ anchor, rules: { nat: [], rdr: [], filter: [] }, tables: {} });

/** Another version's rules have another number. */
function isLoaded(device: pf.PfDevice, { anchor, rules = {} }: pf.PfAnchor): boolean {
  return Object.entries(rules).every(
    ([ruleset, list]) => pf.ruleCount(device, anchor, ruleset as pf.PfRuleset) === list.length,
  );
}

function add(device: pf.PfDevice, step: TableStep): TableStep {
  pf.addAddresses(device, step.anchor, step.table, step.addresses);
  return step;
}

/** The table, or its whole anchor, may be gone: then its addresses are too. */
function remove(device: pf.PfDevice, { anchor, table, addresses }: TableStep): void {
  try {
    pf.deleteAddresses(device, anchor, table, addresses);
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}

/** Sockets outlive the loss of their address: both ends may be the host's. Their peers hear of it while pf lets them. */
function endSockets({ protocol, ends: [one, other] }: pf.PfState): void {
  if (protocol !== pf.IPPROTO_TCP) return;
  tcp.dropConnection(one, other);
  tcp.dropConnection(other, one);
}

/** Has the kernel an anchor's rules, by their number, and its tables' addresses? */
function holds(device: pf.PfDevice, { anchor, rules = {}, tables = {} }: pf.PfAnchor): boolean {
  const counted = (["nat", "rdr", "filter"] as const).every(
    (ruleset) => pf.ruleCount(device, anchor, ruleset) === (rules[ruleset]?.length ?? 0),
  );
  const names = pf.tableNames(device, anchor);
  return (
    counted &&
    Object.entries(tables).every(([name, addresses]) => {
      const held = names.includes(name) ? pf.tableAddresses(device, anchor, name) : [];
      return [...held].sort().join() === [...addresses].sort().join();
    })
  );
}

/** Those by which packets leave: without loopback ones, and klee's own, which hold addresses. */
function outwardInterfaces(): string[] {
  const own = new Set(ownInterfaces());
  return ifaddrs
    .listInterfaces()
    .filter(({ name, loopback }) => !loopback && !own.has(name))
    .map(({ name }) => name);
}

function requireRunning(device: pf.PfDevice): void {
  if (pf.isRunning(device)) return;
  throw new KleeError("UNSUPPORTED", `pf does not filter, so containers would not be isolated; ${HOW_TO_ENABLE}`);
}

/** The module was unloaded since the device was opened; it may have been loaded again. */
const isGone = (error: unknown): boolean => isErrno(error, "ENXIO", "ENOTTY");

/** No device: the module is not loaded. */
function isAbsent(error: unknown): boolean {
  return isErrno(error, "ENOENT") && error.call === "open";
}
