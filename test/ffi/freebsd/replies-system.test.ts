import assert from "node:assert/strict";
import { test } from "node:test";
import { errnoTable } from "../../../src/ffi/freebsd/abi/errno.ts";
import { PF_ROUTE } from "../../../src/ffi/freebsd/abi/route.ts";
import { CTL_KERN, CTL_NET, KERN_HOSTNAME, NET_RT_IFLIST } from "../../../src/ffi/freebsd/abi/sysctl.ts";
import { layOutIovec } from "../../../src/ffi/freebsd/iovec.ts";
import { encodeMount, type MountRequest } from "../../../src/ffi/freebsd/mount.ts";
import { decodeRules, decodeUsage, encodeRule } from "../../../src/ffi/freebsd/rctl.ts";
import { encodeMib, type Mib } from "../../../src/ffi/freebsd/sysctl.ts";
import { decodeCString } from "../../../src/ffi/struct.ts";
import { RECORDED_CALLS, type Reply, readReplies, SYS } from "./replies.ts";

type Expectation = (reply: Reply) => void;

function expectOutcome(reply: Reply, code: string | undefined): void {
  assert.equal(reply.rval === -1 ? errnoTable[reply.errno]?.[0] : undefined, code);
}

const out = (reply: Reply, index: number): Buffer => Buffer.from(reply.out?.[String(index)] ?? "", "hex");

function sysctl(mib: Mib, answer: (value: Buffer) => void): Expectation {
  return (reply) => {
    assert.equal(reply.sys, SYS.sysctl);
    assert.equal(encodeMib(mib).toString("hex"), reply.in?.[0]);
    assert.equal(mib.length, reply.args[1]);
    expectOutcome(reply, undefined);
    const size = reply.out?.["2"] === undefined ? undefined : Number(out(reply, 2).readBigUInt64LE(0));
    answer(out(reply, 1).subarray(0, size));
  };
}

function mount(request: MountRequest, code?: string): Expectation {
  return (reply) => {
    assert.equal(reply.sys, SYS.nmount);
    // The recorder kept no room for `errmsg`.
    const { memory, count, parts } = layOutIovec(encodeMount(request), () => 0n);
    assert.equal(count, reply.args[1]);
    const [vector = "", ...buffers] = reply.in ?? [];
    for (let index = 0; index < count; index++) memory.fill(0, index * 16, index * 16 + 8);
    assert.equal(memory.toString("hex", 0, count * 16), vector);
    const sent = parts.map(({ offset, length }) => memory.toString("hex", offset, offset + length));
    assert.deepEqual(sent, buffers);
    expectOutcome(reply, code);
  };
}

function rctl(sys: number, rule: string, outcome: string | undefined | ((answer: Buffer) => void)): Expectation {
  return (reply) => {
    assert.equal(reply.sys, sys);
    assert.equal(encodeRule(rule).toString("hex"), reply.in?.[0]);
    assert.equal(encodeRule(rule).length, reply.args[1]);
    expectOutcome(reply, typeof outcome === "string" ? outcome : undefined);
    if (typeof outcome === "function") outcome(out(reply, 1));
  };
}

const limits = ["jail:rawok:openfiles:deny=104", "jail:rawok:maxproc:deny=1", "jail:rawok:memoryuse:deny=104857600"];

const expectations: readonly Expectation[] = [
  sysctl([CTL_NET, PF_ROUTE, 0, 0, NET_RT_IFLIST, 0], (value) => assert.equal(value.length, 0x670)),
  // In the jails `web` and `rawok`.
  sysctl([CTL_KERN, KERN_HOSTNAME], (value) => assert.equal(decodeCString(value), "web")),
  sysctl([CTL_KERN, KERN_HOSTNAME], (value) => assert.equal(decodeCString(value), "")),
  rctl(SYS.rctl_add_rule, "jail:rawok:memoryuse:deny=100m", "EINVAL"),
  rctl(SYS.rctl_add_rule, "jail:rawok:memoryuse:deny=104857600", undefined),
  rctl(SYS.rctl_add_rule, "jail:rawok:maxproc:deny=1", undefined),
  rctl(SYS.rctl_add_rule, "jail:rawok:openfiles:deny=104", undefined),
  rctl(SYS.rctl_get_rules, "jail:rawok", (answer) => assert.deepEqual(decodeRules(answer), limits)),
  rctl(SYS.rctl_get_racct, "jail:rawok", (answer) => {
    const usage = decodeUsage(answer);
    assert.equal(usage.size, 25);
    assert.equal(usage.get("maxproc"), 1n);
    assert.equal(usage.get("memoryuse"), 110592n);
    assert.equal(usage.get("writeiops"), 0n);
  }),
  mount({ type: "tmpfs", path: "/tmp", options: { size: "16777216" } }),
  mount({ type: "nullfs", path: "/mnt", options: { target: "/tmp" } }),
  mount({ type: "procfs", path: "/proc" }),
  mount({ type: "zfs", path: "/mnt", options: { from: "x" } }, "ENODEV"),
];

test("sysctl, rctl and nmount send, and read, what a running kernel was sent and replied", (t) => {
  const replies = readReplies("replies-system.jsonl");
  assert.equal(replies.length, expectations.length, "each recorded call is used, once");
  for (const [index, expectation] of expectations.entries()) {
    const reply = replies[index];
    assert.ok(reply !== undefined);
    expectation(reply);
  }
  t.diagnostic(`${replies.length} of ${RECORDED_CALLS} recorded calls used`);
});
