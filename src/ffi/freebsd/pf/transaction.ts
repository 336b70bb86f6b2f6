import { isErrno, SyscallError } from "../../errno.ts";
import type { Ioctl } from "../../ioc.ts";
import { Backoff } from "../../retry.ts";
import { FieldError, zeroed } from "../../struct.ts";
import {
  DIOCADDADDR,
  DIOCADDRULE,
  DIOCBEGINADDRS,
  DIOCXBEGIN,
  DIOCXCOMMIT,
  DIOCXROLLBACK,
  PF_RULESET_TABLE,
  pfioc_pooladdr,
  pfioc_rule,
  pfioc_trans,
  pfioc_trans_e,
} from "../abi/pf.ts";
import type { IoctlCall } from "../control.ts";
import { cFunction } from "../libc.ts";
import { afOf, encodeAddress } from "./address.ts";
import type { PfDevice } from "./device.ts";
import { type PfRule, type PfRuleset, ruleFields, rulesetNumber, rulesetOfRule } from "./rule.ts";
import { encodeTableDefinition } from "./table.ts";

/** What an anchor is to hold. A ruleset or table that is left out stays as it is. */
export interface PfAnchor {
  /** Path, `a/b`; the empty one is the main ruleset, whose owner is the administrator. */
  readonly anchor: string;
  /** Rulesets to replace, in this order of rules; an empty list empties the ruleset. */
  readonly rules?: Partial<Readonly<Record<PfRuleset, readonly PfRule[]>>>;
  /** Tables to define, or whose addresses to replace. None at all ends what an interrupted transaction began. */
  readonly tables?: Readonly<Record<string, readonly string[]>>;
}

/** A ruleset of a transaction, with its ticket once that has begun. */
export interface TransactionPart {
  readonly anchor: string;
  readonly ruleset: PfRuleset | "table";
  readonly ticket: number;
}

/** How long a change is tried again that other programs disturb: pf has one pool buffer for all of them. */
const BUSY_LIMIT_MS = 10_000;
/** sys/netpfil/pf/pf_ioctl.c, net.pf.request_maxcount: most rulesets in a transaction. */
const MAX_PARTS = 65535;

const rulesetOrder: readonly PfRuleset[] = ["nat", "rdr", "filter"];

/** The rulesets that a transaction replaces. */
export function transactionParts(anchors: readonly PfAnchor[]): TransactionPart[] {
  const parts: TransactionPart[] = [];
  for (const { anchor, rules, tables } of anchors) {
    for (const ruleset of rulesetOrder) if (rules?.[ruleset] !== undefined) parts.push({ anchor, ruleset, ticket: 0 });
    if (tables !== undefined) parts.push({ anchor, ruleset: "table", ticket: 0 });
  }
  return parts;
}

/** The call that begins, commits or rolls back. */
export function encodeTransaction(ioctl: Ioctl, parts: readonly TransactionPart[]): IoctlCall {
  if (parts.length > MAX_PARTS) throw new FieldError(`a pf transaction has at most ${MAX_PARTS} rulesets`);
  const data = zeroed(parts.length * pfioc_trans_e.size);
  const names = new Set<string>();
  let end = 0;
  for (const { anchor, ruleset, ticket } of parts) {
    const rs_num = ruleset === "table" ? PF_RULESET_TABLE : rulesetNumber(ruleset);
    pfioc_trans_e.write(data, end, { rs_num, anchor, ticket }, pfioc_trans_e.cName);
    end += pfioc_trans_e.size;
    names.add(anchor || "main");
  }
  return {
    ioctl,
    object: [...names].join(" "),
    argument: pfioc_trans.encode({ size: parts.length, esize: pfioc_trans_e.size }),
    pointee: { at: pfioc_trans.fields.array[0], data },
  };
}

/** The parts with the tickets that the beginning gave. */
export function decodeTickets(parts: readonly TransactionPart[], array: Buffer): TransactionPart[] {
  return parts.map(({ anchor, ruleset }, index) => ({
    anchor,
    ruleset,
    ticket: pfioc_trans_e.decodeField("ticket", array, index * pfioc_trans_e.size),
  }));
}

/** The call that empties pf's pool buffer and gives its ticket. */
export function encodePoolBeginning(): IoctlCall {
  return { ioctl: DIOCBEGINADDRS, object: "", argument: pfioc_pooladdr.encode({}) };
}

/** The ticket in the answer. */
export function decodePoolTicket(argument: Buffer): number {
  return pfioc_pooladdr.decodeField("ticket", argument);
}

/** The call that adds the address of a rule's target to the pool buffer. */
export function encodePoolAddress(rule: PfRule, ticket: number): IoctlCall | undefined {
  if (rule.target === undefined) return undefined;
  const { family, target } = rule;
  if (family === undefined) throw new FieldError(`a ${rule.action} rule with a target says its family`);
  const argument = pfioc_pooladdr.encode({
    ticket,
    af: afOf(family),
    addr: { addr: encodeAddress(target.address, family) },
  });
  return { ioctl: DIOCADDADDR, object: "", argument };
}

/** The call that adds a rule at the end of the ruleset that the transaction fills. */
export function encodeRuleAddition(anchor: string, rule: PfRule, ticket: number, poolTicket: number): IoctlCall {
  const fields = ruleFields(rule);
  return {
    ioctl: DIOCADDRULE,
    object: `${anchor || "main"} ${rule.label ?? rule.action}`,
    argument: pfioc_rule.encode({
      action: fields.action,
      ticket,
      pool_ticket: poolTicket,
      anchor,
      anchor_call: rule.anchorCall ?? "",
      rule: fields,
    }),
  };
}

/** Gets a ticket of the pool buffer, with a rule's target in it. */
export function preparePool(pf: PfDevice, rule: PfRule): number {
  const ticket = decodePoolTicket(pf.ioctl(encodePoolBeginning()).argument);
  const address = encodePoolAddress(rule, ticket);
  if (address !== undefined) pf.ioctl(address);
  return ticket;
}

const usleep = cFunction<[number], number>("int usleep(unsigned int microseconds)");

/** Does pf say that another program is at the same buffers? */
export const isBusy = (error: unknown): boolean => isErrno(error, "EBUSY");

/** Runs again, for ten seconds, while another program disturbs it. */
export function retryBusy<T>(act: () => T, isDisturbed: (error: unknown) => boolean = isBusy): T {
  const backoff = new Backoff(BUSY_LIMIT_MS, usleep);
  for (;;) {
    try {
      return act();
    } catch (error) {
      if (!isDisturbed(error) || !backoff.pause()) throw error;
    }
  }
}

function fill(pf: PfDevice, anchors: readonly PfAnchor[], parts: readonly TransactionPart[]): void {
  for (const { anchor, ruleset, ticket } of parts) {
    for (const entry of anchors.filter((candidate) => candidate.anchor === anchor)) {
      if (ruleset === "table") {
        for (const [name, addresses] of Object.entries(entry.tables ?? {})) {
          pf.ioctl(encodeTableDefinition(anchor, name, addresses, ticket));
        }
      } else for (const rule of entry.rules?.[ruleset] ?? []) addRule(pf, anchor, rule, ticket);
    }
  }
}

function addRule(pf: PfDevice, anchor: string, rule: PfRule, ticket: number): void {
  try {
    pf.ioctl(encodeRuleAddition(anchor, rule, ticket, preparePool(pf, rule)));
  } catch (error) {
    // From FreeBSD 14 on: the ruleset has the very same rule.
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/**
 * Replaces rulesets and tables of any number of anchors at once: all or nothing. Anchors that do not exist come into
 * being. Where another program changes pf at the same time, all begins again.
 *
 * @throws {SyscallError} of the call that failed, nothing being changed; EBUSY when others do not stop for ten seconds,
 * for which the calling thread waits.
 * @throws {FieldError} when a rule or address cannot be encoded, or is in the wrong ruleset.
 */
export function replaceAnchors(pf: PfDevice, anchors: readonly PfAnchor[]): void {
  for (const { rules = {} } of anchors) {
    for (const ruleset of rulesetOrder) {
      const stray = rules[ruleset]?.find((rule) => rulesetOfRule(rule) !== ruleset);
      if (stray !== undefined) throw new FieldError(`a ${stray.action} rule is not in the ${ruleset} ruleset`);
    }
  }
  const parts = transactionParts(anchors);
  if (parts.length === 0) return;
  retryBusy(() => {
    const begun = decodeTickets(parts, pf.ioctl(encodeTransaction(DIOCXBEGIN, parts)).pointee);
    try {
      fill(pf, anchors, begun);
      pf.ioctl(encodeTransaction(DIOCXCOMMIT, begun));
    } catch (error) {
      rollBack(pf, begun);
      throw error;
    }
  });
}

/** Frees what was begun. It fails when another program has begun anew meanwhile, which frees it as well. */
function rollBack(pf: PfDevice, parts: readonly TransactionPart[]): void {
  try {
    pf.ioctl(encodeTransaction(DIOCXROLLBACK, parts));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}
