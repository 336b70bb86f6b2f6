import { isErrno } from "../../errno.ts";
import {
  DIOCCHANGERULE,
  DIOCGETRULENV,
  DIOCGETRULES,
  DIOCGETRULESET,
  DIOCGETRULESETS,
  PF_CHANGE_ADD_HEAD,
  PF_CHANGE_ADD_TAIL,
  PF_CHANGE_GET_TICKET,
  PF_CHANGE_REMOVE,
  pfioc_rule,
  pfioc_ruleset,
} from "../abi/pf.ts";
import { DIOCGETRULE } from "../abi/pf14.ts";
import type { IoctlCall } from "../control.ts";
import { nvRequest, type PfDevice } from "./device.ts";
import { decodeRule, type PfRule, type PfRuleset, ruleFields, rulesetAction } from "./rule.ts";
import { decodeNvRule } from "./rule-nv.ts";
import { isBusy, preparePool, retryBusy } from "./transaction.ts";

/** A rule as it is loaded. */
export interface LoadedRule {
  /** Place in the ruleset, from 0. */
  readonly number: number;
  /** The anchor it calls, as pf.conf(5) would name it; empty for a plain rule. */
  readonly anchorCall: string;
  /** Undefined for what {@link PfRule} has no words for. */
  readonly rule: PfRule | undefined;
}

/** The call that counts the rules of a ruleset and gives its ticket. */
export function encodeRulesQuery(anchor: string, ruleset: PfRuleset): IoctlCall {
  return {
    ioctl: DIOCGETRULES,
    object: `${anchor || "main"} ${ruleset}`,
    argument: pfioc_rule.encode({ anchor, rule: { action: rulesetAction(ruleset) } }),
  };
}

/** Number of rules, and the ticket with which to ask for them. */
export function decodeRulesQuery(argument: Buffer): { readonly count: number; readonly ticket: number } {
  const { nr, ticket } = pfioc_rule.decode(argument);
  return { count: nr, ticket };
}

/** The call that reads a rule, up to FreeBSD 14. */
export function encodeRuleQuery(anchor: string, ruleset: PfRuleset, ticket: number, number: number): IoctlCall {
  return {
    ioctl: DIOCGETRULE,
    object: `${anchor || "main"} ${ruleset} ${number}`,
    argument: pfioc_rule.encode({ ticket, nr: number, anchor, rule: { action: rulesetAction(ruleset) } }),
  };
}

/** Reads the answer. */
export function decodeRuleQuery(argument: Buffer): LoadedRule {
  const { nr, anchor_call } = pfioc_rule.decode(argument);
  return { number: nr, anchorCall: anchor_call, rule: decodeRule(argument, pfioc_rule.fields.rule[0]) };
}

function readRule(pf: PfDevice, anchor: string, ruleset: PfRuleset, ticket: number, number: number): LoadedRule {
  const readByName = (): LoadedRule => {
    const answer = nvRequest(pf, DIOCGETRULENV, `${anchor || "main"} ${ruleset} ${number}`, {
      anchor,
      ruleset: BigInt(rulesetAction(ruleset)),
      ticket: BigInt(ticket),
      nr: BigInt(number),
    });
    return { number, ...decodeNvRule(answer) };
  };
  const call = encodeRuleQuery(anchor, ruleset, ticket, number);
  return pf.ioctlUntil15(call, ({ argument }) => decodeRuleQuery(argument), readByName);
}

/** Number of rules in a ruleset; 0 where there is no such anchor. @throws {SyscallError} */
export function ruleCount(pf: PfDevice, anchor: string, ruleset: PfRuleset): number {
  try {
    return decodeRulesQuery(pf.ioctl(encodeRulesQuery(anchor, ruleset)).argument).count;
  } catch (error) {
    if (isErrno(error, "EINVAL")) return 0;
    throw error;
  }
}

/**
 * The rules of a ruleset; it is read again when it changes meanwhile.
 *
 * @throws {SyscallError} EINVAL when there is no such anchor.
 */
export function readRules(pf: PfDevice, anchor: string, ruleset: PfRuleset): LoadedRule[] {
  return retryBusy(() => {
    const { count, ticket } = decodeRulesQuery(pf.ioctl(encodeRulesQuery(anchor, ruleset)).argument);
    return Array.from({ length: count }, (_, number) => readRule(pf, anchor, ruleset, ticket, number));
  });
}

/**
 * Names of the anchors within an anchor; of none where there is no such anchor.
 *
 * @throws {SyscallError}
 */
export function childAnchors(pf: PfDevice, path: string): string[] {
  return retryBusy(() => {
    const ask = (ioctl: typeof DIOCGETRULESET, nr: number) =>
      pfioc_ruleset.decode(
        pf.ioctl({ ioctl, object: path || "main", argument: pfioc_ruleset.encode({ nr, path }) }).argument,
      );
    try {
      const { nr: count } = ask(DIOCGETRULESETS, 0);
      return Array.from({ length: count }, (_, nr) => ask(DIOCGETRULESET, nr).name);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  });
}

/** The ruleset of an anchor that calls of it evaluate. */
const callActions = { filter: "pass", nat: "nat", rdr: "rdr" } as const;
const allRulesets: readonly PfRuleset[] = ["nat", "rdr", "filter"];
function changeTicket(pf: PfDevice, ruleset: PfRuleset): number {
  const argument = pfioc_rule.encode({ action: PF_CHANGE_GET_TICKET, rule: { action: rulesetAction(ruleset) } });
  const reply = pf.ioctl({ ioctl: DIOCCHANGERULE, object: `main ${ruleset}`, argument });
  return pfioc_rule.decode(reply.argument).ticket;
}

/**
 * Changes a ruleset of the main one by a ticket, again if another program changes it meanwhile. pf tells that by EINVAL, as
 * it tells a change that it does not take: but then the ticket is still the last one.
 */
function changeMain(pf: PfDevice, ruleset: PfRuleset, change: (ticket: number) => void): void {
  let ticket: number | undefined;
  const isOutdated = (): boolean =>
    ticket !== undefined && decodeRulesQuery(pf.ioctl(encodeRulesQuery("", ruleset)).argument).ticket !== ticket;
  retryBusy(
    () => {
      ticket = undefined;
      ticket = changeTicket(pf, ruleset);
      change(ticket);
    },
    (error) => isBusy(error) || (isErrno(error, "EINVAL") && isOutdated()),
  );
}

/** The call that adds a rule to the main ruleset, in front of all others or after them. */
export function encodeMainAddition(
  rule: PfRule,
  place: "first" | "last",
  ticket: number,
  poolTicket: number,
): IoctlCall {
  return {
    ioctl: DIOCCHANGERULE,
    object: `main ${rule.anchorCall ?? rule.action}`,
    argument: pfioc_rule.encode({
      action: place === "first" ? PF_CHANGE_ADD_HEAD : PF_CHANGE_ADD_TAIL,
      ticket,
      pool_ticket: poolTicket,
      anchor_call: rule.anchorCall ?? "",
      rule: ruleFields(rule),
    }),
  };
}

/** What was found by which ticket: each change of a ruleset gives it another one. */
const calls = new WeakMap<PfDevice, Map<string, { readonly ticket: number; readonly found: LoadedRule | undefined }>>();

/** The rule of the main ruleset that calls an anchor; pf names that with or without a slash in front. */
function findCall(pf: PfDevice, ruleset: PfRuleset, anchor: string): LoadedRule | undefined {
  const known = calls.get(pf) ?? new Map();
  calls.set(pf, known);
  return retryBusy(() => {
    const { count, ticket } = decodeRulesQuery(pf.ioctl(encodeRulesQuery("", ruleset)).argument);
    const key = `${ruleset} ${anchor}`;
    if (known.get(key)?.ticket !== ticket)
      known.set(key, { ticket, found: readCall(pf, ruleset, anchor, count, ticket) });
    return known.get(key)?.found;
  });
}

function readCall(
  pf: PfDevice,
  ruleset: PfRuleset,
  anchor: string,
  count: number,
  ticket: number,
): LoadedRule | undefined {
  for (let number = 0; number < count; number++) {
    const loaded = readRule(pf, "", ruleset, ticket, number);
    if (loaded.anchorCall.replace(/^\//, "") === anchor) return loaded;
  }
  return undefined;
}

/** Rulesets of the main ruleset that do not call an anchor. @throws {SyscallError} */
export function missingCalls(pf: PfDevice, anchor: string): PfRuleset[] {
  return allRulesets.filter((ruleset) => findCall(pf, ruleset, anchor) === undefined);
}

/**
 * Has the main ruleset call an anchor, by one rule in front of each of its rulesets that has none yet: no other rule is
 * changed, no connection ends. The calls go when the administrator loads pf.conf(5) anew, unless they are in it.
 *
 * @returns the rulesets to which a call was added.
 * @throws {SyscallError}
 */
export function ensureCalls(pf: PfDevice, anchor: string): PfRuleset[] {
  const missing = missingCalls(pf, anchor);
  for (const ruleset of missing) {
    const rule: PfRule = { action: callActions[ruleset], anchorCall: anchor };
    changeMain(pf, ruleset, (ticket) => {
      if (findCall(pf, ruleset, anchor) !== undefined) return;
      pf.ioctl(encodeMainAddition(rule, "first", ticket, preparePool(pf, rule)));
    });
  }
  return missing;
}

/** Takes the calls of an anchor out of the main ruleset. @throws {SyscallError} */
export function removeCalls(pf: PfDevice, anchor: string): void {
  for (const ruleset of allRulesets) {
    changeMain(pf, ruleset, (ticket) => {
      const found = findCall(pf, ruleset, anchor);
      if (found === undefined) return;
      const argument = pfioc_rule.encode({
        action: PF_CHANGE_REMOVE,
        ticket,
        nr: found.number,
        rule: { action: rulesetAction(ruleset) },
      });
      pf.ioctl({ ioctl: DIOCCHANGERULE, object: `main ${ruleset} ${found.number}`, argument });
    });
  }
}
