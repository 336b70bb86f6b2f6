import { FieldError } from "../../struct.ts";
import {
  ICMP_UNREACH,
  ICMP_UNREACH_FILTER_PROHIB,
  ICMP6_DST_UNREACH,
  ICMP6_DST_UNREACH_ADMIN,
  PF_DROP,
  PF_IN,
  PF_INOUT,
  PF_LOG,
  PF_NAT,
  PF_NONAT,
  PF_NORDR,
  PF_OP_EQ,
  PF_OP_NONE,
  PF_OP_RRG,
  PF_OUT,
  PF_PASS,
  PF_POOL_NONE,
  PF_POOL_ROUNDROBIN,
  PF_RDR,
  PF_RULESET_FILTER,
  PF_RULESET_NAT,
  PF_RULESET_RDR,
  PF_STATE_NORMAL,
  PFRULE_RETURN,
  PFRULE_RETURNICMP,
  pf_rule,
  pf_rule_addr,
} from "../abi/pf.ts";
import { AF_INET6 } from "../abi/socket.ts";
import { afOf, decodeAddress, encodeAddress, type PfAddress } from "./address.ts";

const actions = {
  pass: PF_PASS,
  block: PF_DROP,
  nat: PF_NAT,
  "no nat": PF_NONAT,
  rdr: PF_RDR,
  "no rdr": PF_NORDR,
} as const;
/** What a rule does. */
export type PfAction = keyof typeof actions;

/** The rulesets of an anchor that rules are in. */
export type PfRuleset = "filter" | "nat" | "rdr";

const rulesetOf: Readonly<Record<PfAction, PfRuleset>> = {
  pass: "filter",
  block: "filter",
  nat: "nat",
  "no nat": "nat",
  rdr: "rdr",
  "no rdr": "rdr",
};
const rulesetNumbers = { nat: PF_RULESET_NAT, rdr: PF_RULESET_RDR, filter: PF_RULESET_FILTER } as const;
/** The rule action by which requests about a ruleset name it. */
const rulesetActions = { filter: PF_PASS, nat: PF_NAT, rdr: PF_RDR } as const;

/** PF_RULESET_* of a ruleset. */
export const rulesetNumber = (ruleset: PfRuleset): number => rulesetNumbers[ruleset];
/** PF_PASS, PF_NAT or PF_RDR: how DIOCGETRULES and DIOCCHANGERULE are told the ruleset. */
export const rulesetAction = (ruleset: PfRuleset): number => rulesetActions[ruleset];
/** The ruleset that a rule belongs to. */
export const rulesetOfRule = ({ action }: Pick<PfRule, "action">): PfRuleset => rulesetOf[action];

/** One port, or all from the first to the last. */
export interface PfPorts {
  readonly first: number;
  readonly last: number;
}

/** One end of a connection. */
export interface PfEnd {
  /** Any address unless told. */
  readonly address?: PfAddress;
  /** Any but this address. */
  readonly not?: boolean;
  /** Any port unless told. */
  readonly ports?: PfPorts;
}

/** Where a translation leads. */
export interface PfTarget {
  readonly address: PfAddress;
  /** nat: source ports to choose from. rdr: the ports that stand for the destination's, the first for the first. */
  readonly ports?: PfPorts;
}

/** A rule, pf.conf(5). What is left out matches anything. */
export interface PfRule {
  readonly action: PfAction;
  readonly direction?: "in" | "out";
  readonly quick?: boolean;
  /** Show the packet at pflog0. */
  readonly log?: boolean;
  /** Name or group. */
  readonly interface?: string;
  /** Any interface but this one. */
  readonly notInterface?: boolean;
  readonly family?: 4 | 6;
  /** IPPROTO_* of netinet/in.h. */
  readonly protocol?: number;
  /** ICMP type. */
  readonly icmpType?: number;
  readonly source?: PfEnd;
  readonly destination?: PfEnd;
  /** `pass`: remember the connection, so that the rest of it passes. */
  readonly keepState?: boolean;
  /** Match TCP segments of whose flags `of` exactly those of `set` are on; TH_* of netinet/tcp.h. */
  readonly flags?: { readonly set: number; readonly of: number };
  /** `block`: silently (the default), with RST or ICMP error, or with ICMP administratively prohibited. */
  readonly answer?: "none" | "return" | "prohibited";
  /** Mark the packet. */
  readonly tag?: string;
  /** Match packets that bear this mark. */
  readonly tagged?: string;
  readonly label?: string;
  readonly target?: PfTarget;
  /** Evaluate this anchor here: its name, relative to the rule's own; with `/*` all anchors within, by name. */
  readonly anchorCall?: string;
}

const MAX_PORT = 65535;
const NO_ROUTING_TABLE = -1;

function checkPorts({ first, last }: PfPorts): void {
  const valid = [first, last].every((port) => Number.isInteger(port) && port >= 1 && port <= MAX_PORT);
  if (!valid || first > last) throw new FieldError(`${first}:${last} is not a range of ports`);
}

function encodeEnd({ address, not, ports }: PfEnd, family: 4 | 6 | undefined) {
  if (ports !== undefined) checkPorts(ports);
  return {
    addr: encodeAddress(address, family),
    neg: not ? 1 : 0,
    ...(ports !== undefined && {
      port: ports.first === ports.last ? ([ports.first, 0] as const) : ([ports.first, ports.last] as const),
      port_op: ports.first === ports.last ? PF_OP_EQ : PF_OP_RRG,
    }),
  };
}

function encodePool(rule: PfRule) {
  const { target } = rule;
  if (target === undefined) return {};
  const { address, ports } = target;
  if (ports !== undefined) checkPorts(ports);
  const several = "table" in address || "interface" in address || rule.action === "nat";
  const last = ports === undefined || (rule.action === "rdr" && ports.first === ports.last) ? 0 : ports.last;
  return {
    rpool: {
      opts: several ? PF_POOL_ROUNDROBIN : PF_POOL_NONE,
      proxy_port: [ports?.first ?? 0, last] as const,
    },
  };
}

const answers = { none: 0, return: PFRULE_RETURN, prohibited: PFRULE_RETURNICMP } as const;

/** The fields of a `struct pf_rule`. @throws {FieldError} when a name, address or port does not fit. */
export function ruleFields(rule: PfRule) {
  const { family, direction, answer } = rule;
  return {
    src: encodeEnd(rule.source ?? {}, family),
    dst: encodeEnd(rule.destination ?? {}, family),
    label: rule.label ?? "",
    ifname: rule.interface ?? "",
    tagname: rule.tag ?? "",
    match_tagname: rule.tagged ?? "",
    ...encodePool(rule),
    rtableid: NO_ROUTING_TABLE,
    ...(answer === "prohibited" && {
      return_icmp: ICMP_UNREACH * 0x100 + ICMP_UNREACH_FILTER_PROHIB,
      return_icmp6: ICMP6_DST_UNREACH * 0x100 + ICMP6_DST_UNREACH_ADMIN,
    }),
    rule_flag: answers[answer ?? "none"],
    action: actions[rule.action],
    direction: direction === undefined ? PF_INOUT : direction === "in" ? PF_IN : PF_OUT,
    log: rule.log ? PF_LOG : 0,
    quick: rule.quick ? 1 : 0,
    ifnot: rule.notInterface ? 1 : 0,
    keep_state: rule.keepState ? PF_STATE_NORMAL : 0,
    af: family === undefined ? 0 : afOf(family),
    proto: rule.protocol ?? 0,
    // The kernel keeps types one up: 0 matches any.
    type: rule.icmpType === undefined ? 0 : rule.icmpType + 1,
    flags: rule.flags?.set ?? 0,
    flagset: rule.flags?.of ?? 0,
  };
}

function decodeEnd(bytes: Buffer, offset: number, af: number): PfEnd {
  const { neg, port, port_op } = pf_rule_addr.decode(bytes, offset);
  const address = decodeAddress(bytes, offset, af);
  const [first = 0, last = 0] = port;
  return {
    ...(address !== undefined && { address }),
    ...(neg !== 0 && { not: true }),
    ...(port_op === PF_OP_EQ && { ports: { first, last: first } }),
    ...(port_op === PF_OP_RRG && { ports: { first, last } }),
    ...(port_op !== PF_OP_NONE && port_op !== PF_OP_EQ && port_op !== PF_OP_RRG && { ports: { first, last: first } }),
  };
}

/**
 * Reads the parts of a `struct pf_rule` that {@link PfRule} has; the pool's addresses are not in it. Rules of others may
 * say more than that.
 *
 * @returns undefined for an action that this module does not make (scrub, binat, match).
 */
export function decodeRule(bytes: Buffer, offset: number): PfRule | undefined {
  const rule = pf_rule.decode(bytes, offset);
  const action = (Object.keys(actions) as PfAction[]).find((key) => actions[key] === rule.action);
  if (action === undefined) return undefined;
  const source = decodeEnd(bytes, offset + pf_rule.fields.src[0], rule.af);
  const destination = decodeEnd(bytes, offset + pf_rule.fields.dst[0], rule.af);
  return {
    action,
    ...(rule.direction === PF_IN && { direction: "in" }),
    ...(rule.direction === PF_OUT && { direction: "out" }),
    ...(rule.quick !== 0 && { quick: true }),
    ...((rule.log & PF_LOG) !== 0 && { log: true }),
    ...(rule.ifname !== "" && { interface: rule.ifname }),
    ...(rule.ifnot !== 0 && { notInterface: true }),
    ...(rule.af !== 0 && { family: rule.af === AF_INET6 ? 6 : 4 }),
    ...(rule.proto !== 0 && { protocol: rule.proto }),
    ...(rule.type !== 0 && { icmpType: rule.type - 1 }),
    ...(Object.keys(source).length > 0 && { source }),
    ...(Object.keys(destination).length > 0 && { destination }),
    ...(rule.keep_state !== 0 && { keepState: true }),
    ...(rule.flagset !== 0 && { flags: { set: rule.flags, of: rule.flagset } }),
    ...(rule.rule_flag & PFRULE_RETURN && { answer: "return" }),
    ...(rule.rule_flag & PFRULE_RETURNICMP && { answer: "prohibited" }),
    ...(rule.tagname !== "" && { tag: rule.tagname }),
    ...(rule.match_tagname !== "" && { tagged: rule.match_tagname }),
    ...(rule.label !== "" && { label: rule.label }),
  };
}
