/** Rules in the name-value form of DIOCGETRULENV, sys/netpfil/pf/pf_nv.c. */
import { pf_rule } from "../abi/pf.ts";
import type { NvList, NvValue } from "./nvlist.ts";
import { decodeRule, type PfRule } from "./rule.ts";

const list = (value: NvValue | undefined): NvList =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array) ? (value as NvList) : {};
const text = (value: NvValue | undefined): string => (typeof value === "string" ? value : "");
const number = (value: NvValue | undefined): number => (typeof value === "bigint" ? Number(value) : 0);
const ADDRESS_SIZE = 16;
const address = (value: NvValue | undefined): Buffer => {
  const bytes = list(value).addr;
  return bytes instanceof Uint8Array ? Buffer.from(bytes) : Buffer.alloc(ADDRESS_SIZE);
};
/** Ports are numbers in network byte order, read as the machine's. */
const swapped = (value: NvValue | undefined): number => {
  const port = number(value);
  return ((port & 0xff) << 8) | (port >> 8);
};

function end(value: NvValue | undefined) {
  const { addr, port, neg, port_op } = list(value);
  const wrap = list(addr);
  const named = text(wrap.ifname) !== "" ? { "v.ifname": text(wrap.ifname) } : { "v.tblname": text(wrap.tblname) };
  const literal = { "v.a.addr": address(wrap.addr), "v.a.mask": address(wrap.mask) };
  const [first, last] = Array.isArray(port) ? port : [];
  return {
    addr: { type: number(wrap.type), ...(Object.values(named)[0] === "" ? literal : named) },
    port: [swapped(first), swapped(last)] as const,
    neg: number(neg) || (neg === true ? 1 : 0),
    port_op: number(port_op),
  };
}

/** Reads the answer of DIOCGETRULENV. */
export function decodeNvRule(answer: NvList): { readonly anchorCall: string; readonly rule: PfRule | undefined } {
  const rule = list(answer.rule);
  const byte = (name: string): number => (rule[name] === true ? 1 : number(rule[name])) & 0xff;
  const bytes = pf_rule.encode({
    src: end(rule.src),
    dst: end(rule.dst),
    label: text(rule.label),
    ifname: text(rule.ifname),
    tagname: text(rule.tagname),
    match_tagname: text(rule.match_tagname),
    rule_flag: number(rule.rule_flag),
    action: byte("action"),
    direction: byte("direction"),
    log: byte("log"),
    quick: byte("quick"),
    ifnot: byte("ifnot"),
    keep_state: byte("keep_state"),
    af: byte("af"),
    proto: byte("proto"),
    type: byte("type"),
    flags: byte("flags"),
    flagset: byte("flagset"),
  });
  return { anchorCall: text(answer.anchor_call), rule: decodeRule(bytes, 0) };
}
