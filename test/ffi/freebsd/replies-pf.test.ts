import assert from "node:assert/strict";
import { test } from "node:test";
import { errnoTable } from "../../../src/ffi/freebsd/abi/errno.ts";
import { O_RDWR } from "../../../src/ffi/freebsd/abi/fcntl.ts";
import { DIOCXBEGIN, DIOCXCOMMIT, pfioc_rule } from "../../../src/ffi/freebsd/abi/pf.ts";
import { pf_status } from "../../../src/ffi/freebsd/abi/pf14.ts";
import type { IoctlCall } from "../../../src/ffi/freebsd/control.ts";
import { encodeStart, encodeStatusQuery, encodeStop } from "../../../src/ffi/freebsd/pf/device.ts";
import type { PfRule, PfRuleset } from "../../../src/ffi/freebsd/pf/rule.ts";
import {
  decodeRuleQuery,
  decodeRulesQuery,
  encodeRuleQuery,
  encodeRulesQuery,
  type LoadedRule,
} from "../../../src/ffi/freebsd/pf/ruleset.ts";
import {
  decodePoolTicket,
  decodeTickets,
  encodePoolAddress,
  encodePoolBeginning,
  encodeRuleAddition,
  encodeTransaction,
  type TransactionPart,
} from "../../../src/ffi/freebsd/pf/transaction.ts";
import { RECORDED_CALLS, type Reply, readReplies, SYS } from "./replies.ts";

type Expectation = (reply: Reply) => void;

function ioctl(
  call: IoctlCall | undefined,
  code?: string,
  answer?: (out: Buffer, pointee: Buffer) => void,
): Expectation {
  return (reply) => {
    assert.ok(call !== undefined);
    assert.equal(reply.sys, SYS.ioctl);
    assert.equal(call.ioctl.request, reply.args[1]);
    const sent = [call.argument, call.pointee?.data].filter((buffer) => buffer !== undefined && buffer.length > 0);
    assert.deepEqual(
      sent.map((buffer) => buffer?.toString("hex")),
      reply.in ?? [],
    );
    assert.equal(reply.rval === -1 ? errnoTable[reply.errno]?.[0] : undefined, code);
    const out = (index: string): Buffer => Buffer.from(reply.out?.[index] ?? "", "hex");
    answer?.(out("0"), out("1"));
  };
}

const open: Expectation = (reply) => {
  assert.equal(reply.sys, SYS.open);
  assert.equal(reply.args[1], O_RDWR);
  assert.equal(reply.in?.[0], Buffer.from("/dev/pf\0").toString("hex"));
};

const part = (ruleset: PfRuleset, anchor: string, ticket = 0): TransactionPart => ({ ruleset, anchor, ticket });

/** The parts get these tickets. */
function begin(parts: readonly TransactionPart[], tickets: readonly number[]): Expectation {
  return ioctl(encodeTransaction(DIOCXBEGIN, parts), undefined, (_, array) =>
    assert.deepEqual(
      decodeTickets(parts, array).map(({ ticket }) => ticket),
      tickets,
    ),
  );
}

const pool = (ticket: number): Expectation =>
  ioctl(encodePoolBeginning(), undefined, (out) => assert.equal(decodePoolTicket(out), ticket));

const add = (anchor: string, rule: PfRule, ticket: number, poolTicket: number, code?: string): Expectation =>
  ioctl(encodeRuleAddition(anchor, rule, ticket, poolTicket), code);

const count = (anchor: string, ruleset: PfRuleset, expected: number): Expectation =>
  ioctl(encodeRulesQuery(anchor, ruleset), undefined, (out) =>
    assert.deepEqual(decodeRulesQuery(out), { count: expected, ticket: 1 }),
  );

const read = (anchor: string, ruleset: PfRuleset, expected: LoadedRule): Expectation =>
  ioctl(encodeRuleQuery(anchor, ruleset, 1, expected.number), undefined, (out) =>
    assert.deepEqual(decodeRuleQuery(out), expected),
  );

const subnet = { address: { network: "10.2.3.0/24" } } as const;
const noSmtp: PfRule = {
  action: "block",
  direction: "out",
  quick: true,
  family: 4,
  protocol: 6,
  source: subnet,
  destination: { ports: { first: 25, last: 25 } },
  label: "no-smtp",
};
const passAll: PfRule = {
  action: "pass",
  interface: "kleene0",
  family: 4,
  source: subnet,
  keepState: true,
  label: "kl",
};
const nat: PfRule = {
  action: "nat",
  interface: "em0",
  family: 4,
  source: subnet,
  target: { address: { network: "192.0.2.1" }, ports: { first: 50001, last: 65535 } },
};
const { target: _, ...natRead } = nat;
const main = [part("nat", ""), part("rdr", ""), part("filter", "")];
const mainBegun = main.map((one) => ({ ...one, ticket: 1 }));
const own = [part("nat", "kleene"), part("filter", "kleene")];
const ownBegun = own.map((one) => ({ ...one, ticket: 1 }));

const expectations: readonly Expectation[] = [
  open,
  ioctl(encodeStart()),
  ioctl(encodeStart(), "EEXIST"),
  begin(main, [1, 1, 1]),
  pool(1),
  add("", { action: "nat", anchorCall: "kleene/*" }, 1, 1),
  pool(2),
  add("", { action: "rdr", anchorCall: "kleene/*" }, 1, 2),
  pool(3),
  add("", { action: "pass", anchorCall: "kleene" }, 1, 3),
  ioctl(encodeTransaction(DIOCXCOMMIT, mainBegun)),
  begin(own, [1, 1]),
  pool(4),
  add("kleene", noSmtp, 1, 4),
  pool(5),
  add("kleene", passAll, 1, 5),
  pool(6),
  add("kleene", { action: "pass", family: 4, label: "wrong ticket" }, 8, 6, "EBUSY"),
  pool(7),
  ioctl(encodePoolAddress(nat, 7)),
  add("kleene", nat, 1, 7),
  ioctl(encodeTransaction(DIOCXCOMMIT, ownBegun)),
  ioctl(encodeTransaction(DIOCXCOMMIT, ownBegun.slice(1)), "EBUSY"),
  count("", "filter", 1),
  read("", "filter", { number: 0, anchorCall: "kleene", rule: { action: "pass" } }),
  count("", "nat", 1),
  read("", "nat", { number: 0, anchorCall: "kleene/*", rule: { action: "nat" } }),
  count("", "rdr", 1),
  read("", "rdr", { number: 0, anchorCall: "kleene/*", rule: { action: "rdr" } }),
  count("kleene", "filter", 2),
  read("kleene", "filter", { number: 0, anchorCall: "", rule: noSmtp }),
  read("kleene", "filter", { number: 1, anchorCall: "", rule: passAll }),
  count("kleene", "nat", 1),
  read("kleene", "nat", { number: 0, anchorCall: "", rule: natRead }),
  ioctl(encodeRulesQuery("nosuch", "filter"), "EINVAL", (out) => assert.equal(out.length, pfioc_rule.size)),
  ioctl(encodeStatusQuery(), undefined, (out) => assert.equal(pf_status.decode(out).running, 1)),
  ioctl(encodeStop()),
  ioctl(encodeStop(), "ENOENT"),
];

test("pf: what is sent, and read, is byte for byte what a running kernel was sent and replied", (t) => {
  const replies = readReplies("replies-pf.jsonl");
  assert.equal(replies.length, expectations.length, "each recorded call is used, once");
  for (const [index, expectation] of expectations.entries()) {
    const reply = replies[index];
    assert.ok(reply !== undefined);
    try {
      expectation(reply);
    } catch (error) {
      throw new Error(`record ${index}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  t.diagnostic(`${replies.length} of ${RECORDED_CALLS} recorded calls used`);
});
