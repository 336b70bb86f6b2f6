import assert from "node:assert/strict";
import { test } from "node:test";
import { SyscallError } from "../../../src/ffi/errno.ts";
import { errnoTable } from "../../../src/ffi/freebsd/abi/errno.ts";
import { ifreq } from "../../../src/ffi/freebsd/abi/interface.ts";
import { AF_INET, AF_INET6 } from "../../../src/ffi/freebsd/abi/socket.ts";
import type { IoctlCall } from "../../../src/ffi/freebsd/control.ts";
import { encodeAlias, encodeAliasRemoval } from "../../../src/ffi/freebsd/ifaddr.ts";
import { decodeInterfaces, type RawInterfaceAddress } from "../../../src/ffi/freebsd/ifaddrs.ts";
import { encodeCreation, encodeRenaming } from "../../../src/ffi/freebsd/ifclone.ts";
import { decodeFlags, encodeFlagsQuery, encodeVnetMove } from "../../../src/ffi/freebsd/interface.ts";
import { type IovPair, layOutIovec, room } from "../../../src/ffi/freebsd/iovec.ts";
import { encodeJailQuery, jailFlags } from "../../../src/ffi/freebsd/jail.ts";
import { decodeJailValue, encodeJailParams, type JailParams } from "../../../src/ffi/freebsd/jail-encoding.ts";
import { decodeCString } from "../../../src/ffi/struct.ts";
import { RECORDED_CALLS, type Reply, readReplies, SYS } from "./replies.ts";

/** What we would send for the recorded operation, and what its answer must mean. */
type Expectation = (reply: Reply) => void;

/** Room that the recorder kept for `errmsg`, in bytes. */
const ERRMSG_ROOM = 256;

function expectOutcome(reply: Reply, code: string | undefined): void {
  const seen = reply.rval === -1 ? errnoTable[reply.errno]?.[0] : undefined;
  assert.equal(seen, code);
}

/** The ioctl that `call` makes has the recorded number and bytes, on a socket of the recorded family. */
function ioctl(call: IoctlCall, code?: string, answer?: (out: Buffer) => void): Expectation {
  return (reply) => {
    assert.equal(reply.sys, SYS.ioctl);
    assert.equal(call.ioctl.request, reply.args[1]);
    const sent = [call.argument, ...(call.pointee === undefined ? [] : [call.pointee.data])];
    // A batch lists the buffers of its other calls as well, after those of the first.
    const recorded = reply.in?.slice(0, sent.length);
    assert.deepEqual(
      sent.map((buffer) => buffer.toString("hex")),
      recorded,
    );
    expectOutcome(reply, code);
    answer?.(Buffer.from(reply.out?.["0"] ?? "", "hex"));
  };
}

/** A control socket of this family. The recorder's had no SOCK_CLOEXEC, which the bindings add to the type. */
function socket(family: number): Expectation {
  return (reply) => {
    assert.equal(reply.sys, SYS.socket);
    assert.equal(reply.args[0], family);
  };
}

/** The iovec array and all it points to are as recorded; values that are room for an answer were not recorded. */
function expectIovec(reply: Reply, pairs: readonly IovPair[]): void {
  const { memory, count, parts } = layOutIovec([...pairs, room("errmsg", ERRMSG_ROOM)], () => 0n);
  assert.equal(count, reply.args[1]);
  const vector = Buffer.from(memory.subarray(0, count * 16));
  for (let index = 0; index < count; index++) vector.fill(0, index * 16, index * 16 + 8);
  const [recordedVector, ...recordedParts] = reply.in ?? [];
  assert.equal(vector.toString("hex"), recordedVector);
  const sent = parts
    .filter(({ length }) => length > 0)
    .map((part) => memory.subarray(part.offset, part.offset + part.length));
  assert.equal(sent.length, recordedParts.length);
  for (const [index, part] of sent.entries()) {
    const recorded = recordedParts[index] ?? "";
    if (recorded === "") assert.ok(part.every((byte) => byte === 0));
    else assert.equal(part.toString("hex"), recorded);
  }
}

/** The kernel's message is in the last output buffer. */
function message(reply: Reply): string {
  const last = Object.values(reply.out ?? {}).at(-1) ?? "";
  return decodeCString(Buffer.from(last, "hex"));
}

function jailSet(params: JailParams, outcome: number | { code: string; text: string }): Expectation {
  return (reply) => {
    assert.equal(reply.sys, SYS.jail_set);
    assert.equal(reply.args[2], jailFlags(["create"]));
    expectIovec(reply, encodeJailParams(params));
    if (typeof outcome === "number") {
      assert.equal(reply.rval, outcome);
      return;
    }
    expectOutcome(reply, outcome.code);
    assert.equal(message(reply), outcome.text);
  };
}

function jailGet(pairs: readonly IovPair[], outcome: number | { code: string; text: string }): Expectation {
  return (reply) => {
    assert.equal(reply.sys, SYS.jail_get);
    expectIovec(reply, pairs);
    if (typeof outcome === "number") {
      assert.equal(reply.rval, outcome);
      return;
    }
    expectOutcome(reply, outcome.code);
    assert.equal(message(reply), outcome.text);
  };
}

/** Calls whose only argument is the jail's id. */
function onJail(sys: number, jid: number): Expectation {
  return (reply) => {
    assert.equal(reply.sys, sys);
    assert.deepEqual(reply.args, [jid]);
    expectOutcome(reply, undefined);
  };
}

const named = (name: string) => (out: Buffer) => assert.equal(ifreq.decode(out).ifr_name, name);
const flagged = (flags: number) => (out: Buffer) => assert.equal(decodeFlags(out), flags);
const alias = (address: string) => encodeAlias({ interface: "kleene0", address });
const fresh = (name: string) => ({ path: "/", name, persist: true });

const webQuery: Expectation = (reply) => {
  const rooms = { name: 256, path: 1024, "ip4.addr": 8, "host.hostname": 256, persist: 4, "allow.raw_sockets": 4 };
  jailGet(encodeJailQuery({ jid: 1 }, rooms), 1)(reply);
  const out = (index: number) => Buffer.from(reply.out?.[String(index)] ?? "", "hex");
  assert.equal(decodeJailValue("string", out(2)), "web");
  assert.equal(decodeJailValue("string", out(4)), "/");
  assert.deepEqual(decodeJailValue("ip4", out(6)), ["10.2.3.1", "10.2.3.3"]);
  assert.equal(decodeJailValue("string", out(8)), "web");
  assert.equal(decodeJailValue("bool", out(10)), true);
  assert.equal(decodeJailValue("bool", out(12)), false);
  assert.equal(message(reply), "");
};

/** The list of SIOCGIFCONF holds the kernel's sockaddrs, each after its interface's name. */
const interfaceList: Expectation = (reply) => {
  const out = Buffer.from(reply.out?.["1"] ?? "", "hex").subarray(0, 0x24c);
  const entries: RawInterfaceAddress[] = [];
  for (let at = 0; at < out.length; ) {
    const length = out[at + 16] ?? 0;
    entries.push({
      name: decodeCString(out.subarray(at, at + 16)),
      flags: 0x8049,
      address: out.subarray(at + 16, at + 16 + length),
      netmask: undefined,
      destination: undefined,
    });
    at += 16 + Math.max(length, 16);
  }
  const interfaces = decodeInterfaces(entries);
  assert.deepEqual(
    interfaces.map(({ name, index }) => [name, index]),
    [
      ["lo0", 1],
      ["pflog0", 2],
      ["pfsync0", 3],
      ["kleene0", 4],
      ["lo2", 5],
    ],
  );
  const kleene0 = interfaces.find(({ name }) => name === "kleene0");
  assert.deepEqual(
    kleene0?.addresses.map(({ address, scopeId }) => [address, scopeId]),
    [
      ["10.2.3.1", 0],
      ["::1", 0],
      ["fe80::1", 4],
      ["10.2.3.3", 0],
      ["10.2.3.2", 0],
      ["fd00:2:3::1", 0],
    ],
  );
};

const expectations: readonly Expectation[] = [
  socket(AF_INET),
  ioctl(encodeCreation("lo1"), undefined, named("lo1")),
  ioctl(encodeCreation("lo1"), "EEXIST"),
  ioctl(encodeCreation("lo"), undefined, named("lo2")),
  ioctl(encodeRenaming("lo1", "kleene0")),
  ioctl(encodeFlagsQuery("kleene0"), undefined, flagged(0x8008)),
  ioctl(encodeFlagsQuery("lo1"), "ENXIO"),
  ioctl(alias("10.2.3.1")),
  ioctl(alias("10.2.3.2")),
  ioctl(alias("10.2.3.3")),
  ioctl(alias("10.2.3.2")),
  ioctl(encodeFlagsQuery("kleene0"), undefined, flagged(0x8049)),
  socket(AF_INET6),
  ioctl(alias("fd00:2:3::1")),
  // On an IPv4 socket.
  ioctl(alias("fd00:2:3::1"), "EINVAL"),
  interfaceList,
  ioctl(encodeAliasRemoval("kleene0", "10.2.3.9"), "EADDRNOTAVAIL"),
  ioctl(encodeAliasRemoval("kleene0", "10.2.3.2")),
  ioctl(encodeAliasRemoval("kleene0", "10.2.3.2"), "EADDRNOTAVAIL"),
  ioctl(alias("10.2.3.2")),
  jailSet(
    {
      path: "/",
      name: "web",
      "host.hostname": "web",
      persist: true,
      "ip4.addr": ["10.2.3.1", "10.2.3.3"],
      "allow.raw_sockets": false,
    },
    1,
  ),
  jailSet(fresh("web"), { code: "EEXIST", text: 'jail "web" already exists' }),
  jailSet({ ...fresh("bad"), "ip4.addr": Buffer.from("abc") }, { code: "EINVAL", text: "" }),
  jailSet({ ...fresh("bad2"), path: "/nonexistent" }, { code: "ENOENT", text: "" }),
  jailSet({ ...fresh("bad3"), "no.such": "x" }, { code: "EINVAL", text: "unknown parameter: no.such" }),
  jailSet({ ...fresh("clash"), "ip4.addr": ["10.2.3.3"] }, { code: "EADDRINUSE", text: "IPv4 addresses clash" }),
  jailSet({ ...fresh("notmine"), "ip4.addr": ["172.16.9.9"] }, 4),
  jailSet({ ...fresh("rawok"), "ip4.addr": ["10.2.3.2"], "allow.raw_sockets": true }, 5),
  webQuery,
  jailGet(encodeJailQuery({ lastjid: 0 }, {}), 1),
  jailGet(encodeJailQuery({ lastjid: 1 }, {}), 4),
  jailGet(encodeJailQuery({ lastjid: 4 }, {}), 5),
  onJail(SYS.jail_attach, 1),
  socket(AF_INET),
  ioctl(alias("10.2.3.7"), "EPERM"),
  onJail(SYS.jail_attach, 5),
  socket(AF_INET),
  ioctl(alias("10.2.3.7"), "EPERM"),
  onJail(SYS.jail_remove, 1),
  jailGet(encodeJailQuery({ jid: 1 }, {}), { code: "ENOENT", text: "jail 1 is dying" }),
  onJail(SYS.jail_remove, 1),
  jailSet({ ...fresh("vn"), vnet: { sys: "new" } }, 6),
  ioctl(encodeCreation("epair"), undefined, named("epair0a")),
  ioctl(encodeVnetMove("epair0b", 6)),
  ioctl(encodeAlias({ interface: "epair0a", address: "10.9.0.1", prefixLength: 24, broadcast: "10.9.0.255" })),
  onJail(SYS.jail_attach, 6),
  socket(AF_INET),
  ioctl(encodeAlias({ interface: "epair0b", address: "10.9.0.2", prefixLength: 24, broadcast: "10.9.0.255" })),
];

test("what is sent, and read, is byte for byte what a running kernel was sent and replied", (t) => {
  const replies = readReplies("replies.jsonl");
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

test("a recorded refusal reads as one line with the kernel's words", () => {
  const error = new SyscallError({
    call: "jail_set",
    object: "clash",
    errno: 48,
    table: errnoTable,
    kernelText: "IPv4 addresses clash",
  });
  assert.equal(error.code, "EADDRINUSE");
  assert.match(error.message, /^jail_set clash: EADDRINUSE \(Address already in use\): IPv4 addresses clash/);
});
