import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SIOCDIFADDR, SIOCDIFADDR_IN6 } from "../../../src/ffi/freebsd/abi/interface.ts";
import { AF_INET6 } from "../../../src/ffi/freebsd/abi/socket.ts";
import { encodeAlias, encodeAliasRemoval } from "../../../src/ffi/freebsd/ifaddr.ts";
import { decodeInterfaces } from "../../../src/ffi/freebsd/ifaddrs.ts";
import { encodeCreation, encodeRenaming } from "../../../src/ffi/freebsd/ifclone.ts";
import { encodeGroupAddition } from "../../../src/ffi/freebsd/ifgroup.ts";
import {
  decodeFlags,
  encodeBridgeAddition,
  encodeDescription,
  encodeFlags,
} from "../../../src/ffi/freebsd/interface.ts";
import { layOutIovec, lengthAt, room, valueAt } from "../../../src/ffi/freebsd/iovec.ts";
import { decodeJailValue, encodeJailParams, negative } from "../../../src/ffi/freebsd/jail-encoding.ts";
import { encodeTableAddress } from "../../../src/ffi/freebsd/pf/address.ts";
import {
  AddressError,
  encodeInet,
  encodeInet6,
  formatAddress,
  netmask,
  prefixLengthOf,
} from "../../../src/ffi/inet.ts";
import { FieldError } from "../../../src/ffi/struct.ts";

const hex = (buffer: Buffer) => buffer.toString("hex");

test("a removal always names its address, so that the kernel never picks one", () => {
  const inet = encodeAliasRemoval("kleene0", "10.2.3.1");
  assert.equal(inet.ioctl, SIOCDIFADDR);
  assert.equal(hex(inet.argument), "6b6c65656e6530000000000000000000100200000a0203010000000000000000");
  const inet6 = encodeAliasRemoval("kleene0", "fd00:2:3::1");
  assert.equal(inet6.ioctl, SIOCDIFADDR_IN6);
  assert.equal(inet6.family, AF_INET6);
  assert.equal(inet6.argument.length, 288);
  assert.equal(
    hex(inet6.argument.subarray(0, 44)),
    "6b6c65656e65300000000000000000001c1c000000000000fd00000200030000000000000000000100000000",
  );
  for (const address of ["", "10.2.3", "10.2.3.1/32", "kleene0", "fe80::1%lo0", "01.2.3.4"]) {
    assert.throws(() => encodeAliasRemoval("kleene0", address), AddressError, address);
  }
});

test("an alias without a prefix length is a host's", () => {
  assert.equal(hex(encodeAlias({ interface: "a", address: "1.2.3.4" }).argument.subarray(52, 56)), "ffffffff");
  const inet6 = encodeAlias({ interface: "a", address: "fd00::1", prefixLength: 64, withoutDad: true }).argument;
  assert.equal(hex(inet6.subarray(80, 96)), "ffffffffffffffff0000000000000000");
  assert.equal(hex(inet6.subarray(100, 104)), "20000000");
  assert.equal(hex(inet6.subarray(120, 128)), "ffffffffffffffff");
  assert.throws(() => encodeAlias({ interface: "a", address: "1.2.3.4", prefixLength: 33 }), AddressError);
});

test("an interface name of 16 bytes is refused, not shortened", () => {
  const long = "abcdefghijklmnop";
  assert.equal(encodeCreation(long.slice(1)).argument.toString("latin1", 0, 16), `${long.slice(1)}\0`);
  for (const encode of [
    () => encodeCreation(long),
    () => encodeRenaming("lo1", long),
    () => encodeRenaming("lo1", ""),
    () => encodeAlias({ interface: long, address: "1.2.3.4" }),
    () => encodeAliasRemoval(long, "1.2.3.4"),
    () => encodeGroupAddition("lo1", long),
    () => encodeGroupAddition("lo1", ""),
    () => encodeBridgeAddition("bridge0", long),
  ]) {
    assert.throws(encode, FieldError);
  }
});

test("flags are two halves of 16 bits", () => {
  const { argument } = encodeFlags("lo1", 0x80018049);
  assert.equal(hex(argument.subarray(16, 20)), "49800180");
  assert.equal(decodeFlags(argument), 0x80018049);
});

test("a description is sent with its length, its NUL included; an empty one clears", () => {
  const described = encodeDescription("lo1", "klee");
  assert.equal(hex(described.argument.subarray(16, 24)), "0500000000000000");
  assert.deepEqual(described.pointee, { at: 24, data: Buffer.from("klee\0") });
  const cleared = encodeDescription("lo1", "");
  assert.equal(hex(cleared.argument.subarray(16, 32)), "00".repeat(16));
  assert.equal(cleared.pointee, undefined);
});

test("a bridge member is named in the driver's own request", () => {
  const { argument, pointee } = encodeBridgeAddition("bridge0", "epair0a");
  assert.equal(hex(argument.subarray(16, 32)), "00000000000000005000000000000000");
  assert.equal(pointee?.at, 32);
  assert.equal(pointee?.data.length, 80);
  assert.equal(pointee?.data.toString("latin1", 0, 8), "epair0a\0");
});

test("jail parameters: each form of value", () => {
  const pairs = encodeJailParams({
    path: "/é",
    "children.max": -1,
    "host.hostid": 0x0102030405060708n,
    persist: true,
    "allow.mount.devfs": false,
    vnet: { sys: "new" },
    ip4: { sys: "inherit" },
    ip6: { sys: "disable" },
    "ip4.addr": [],
    "ip6.addr": ["fd00::1", "::1"],
    raw: Uint8Array.of(1, 2),
  });
  assert.deepEqual(
    pairs.map(({ name, value }) => [name, hex(value)]),
    [
      ["path", "2fc3a900"],
      ["children.max", "ffffffff"],
      ["host.hostid", "0807060504030201"],
      ["persist", ""],
      ["allow.mount.nodevfs", ""],
      ["vnet", "01000000"],
      ["ip4", "02000000"],
      ["ip6", "00000000"],
      ["ip4.addr", ""],
      ["ip6.addr", "fd000000000000000000000000000001" + "00000000000000000000000000000001"],
      ["raw", "0102"],
    ],
  );
  assert.equal(negative("persist"), "nopersist");
});

test("jail parameters that cannot be encoded are refused", () => {
  assert.throws(() => encodeJailParams({ path: "/a\0b" }), FieldError);
  assert.throws(() => encodeJailParams({ "children.max": 2 ** 31 }), FieldError);
  assert.throws(() => encodeJailParams({ "children.max": 0.5 }), FieldError);
  assert.throws(() => encodeJailParams({ "host.hostid": -1n }), FieldError);
  assert.throws(() => encodeJailParams({ "ip4.addr": ["10.2.3.256"] }), AddressError);
  assert.throws(() => encodeJailParams({ "ip6.addr": ["10.2.3.1"] }), AddressError);
  assert.throws(() => encodeJailParams({ name: ["a"] }), { message: "name is not a list of addresses" });
});

test("jail values are read back", () => {
  assert.equal(decodeJailValue("int", Buffer.from("feffffff", "hex")), -2);
  assert.equal(decodeJailValue("sys", Buffer.from("02000000", "hex")), "inherit");
  assert.equal(decodeJailValue("sys", Buffer.from("09000000", "hex")), undefined);
  assert.deepEqual(decodeJailValue("ip4", Buffer.alloc(0)), []);
  assert.deepEqual(decodeJailValue("ip6", Buffer.concat([encodeInet6("::1"), encodeInet6("fd00:2::")])), [
    "::1",
    "fd00:2::",
  ]);
});

test("an iovec array points into its own memory, with null for an empty value", () => {
  const base = 0x10000n;
  const iov = layOutIovec([{ name: "persist", value: Buffer.alloc(0) }, room("errmsg", 20)], () => base);
  const words = Array.from({ length: 8 }, (_, index) => iov.memory.readBigUInt64LE(index * 8));
  assert.deepEqual(words, [base + 64n, 8n, 0n, 0n, base + 72n, 7n, base + 80n, 20n]);
  assert.equal(iov.memory.length, 64 + 8 + 8 + 24);
  iov.memory.write("hello", 80);
  iov.memory.writeBigUInt64LE(5n, 56);
  assert.equal(valueAt(iov, 1).toString("latin1", 0, 5), "hello");
  assert.equal(lengthAt(iov, 1), 5);
});

test("addresses above and across 4 GiB stand in an iovec to the bit", () => {
  for (const base of [0xffff_fff8n, 0x7fff_ffff_f000n, 0xff_ffff_ffff_f000n]) {
    const { memory } = layOutIovec([{ name: "name", value: Buffer.from("web\0") }], () => base);
    assert.deepEqual([memory.readBigUInt64LE(0), memory.readBigUInt64LE(16)], [base + 32n, base + 40n]);
  }
});

test("an address with a zone is refused as one of IPv6", () => {
  const refusal = { message: '"fe80::1%em0" is not an IPv6 address' };
  assert.throws(() => encodeInet6("fe80::1%em0"), refusal);
  assert.throws(() => encodeTableAddress("fe80::1%em0"), refusal);
});

test("addresses are parsed and written", () => {
  for (const [text, bytes] of [
    ["::", "00".repeat(16)],
    ["::1", `${"00".repeat(15)}01`],
    ["fd00:2:3::1", "fd000002000300000000000000000001"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["fe80::", `fe80${"00".repeat(14)}`],
    ["::ffff:10.2.3.1", `${"00".repeat(10)}ffff0a020301`],
  ] as const) {
    assert.equal(hex(encodeInet6(text)), bytes);
    assert.equal(formatAddress(Buffer.from(bytes, "hex")), text);
  }
  assert.equal(hex(encodeInet6("FD00:0002:3:0:0:0:0:1")), "fd000002000300000000000000000001");
  assert.equal(hex(encodeInet("255.0.10.1")), "ff000a01");
  for (const prefix of [0, 1, 8, 20, 31, 32]) assert.equal(prefixLengthOf(netmask(prefix, 4)), prefix);
  assert.equal(hex(netmask(20, 4)), "fffff000");
  assert.equal(hex(netmask(65, 16)), "ffffffffffffffff8000000000000000");
  assert.throws(() => netmask(-1, 4), AddressError);
  assert.throws(() => netmask(1.5, 4), AddressError);
});

test("the addresses of an interface are gathered, cut-off masks and unknown families among them", () => {
  const entry = { name: "em0", flags: 0x8843 };
  const sockaddr = (text: string) => Buffer.from(text.replace(/ /g, ""), "hex");
  const none = { netmask: undefined, destination: undefined };
  assert.deepEqual(
    decodeInterfaces([
      { ...entry, address: sockaddr("38 12 0300 06 03 06 00 656d30 02005e005301"), ...none },
      {
        ...entry,
        address: sockaddr("10 02 0000 c0a80105 0000000000000000"),
        netmask: sockaddr("07 00 0000 ffffff"),
        destination: sockaddr("10 02 0000 c0a801ff 0000000000000000"),
      },
      { ...entry, address: sockaddr("10 11 00"), ...none },
      { ...entry, address: undefined, ...none },
      { name: "tun0", flags: 0, address: undefined, ...none },
    ]),
    [
      {
        name: "em0",
        index: 3,
        flags: 0x8843,
        up: true,
        loopback: false,
        pointToPoint: false,
        linkAddress: "02:00:5e:00:53:01",
        addresses: [
          { family: "inet", address: "192.168.1.5", prefixLength: 24, destination: "192.168.1.255", scopeId: 0 },
        ],
      },
      {
        name: "tun0",
        index: 0,
        flags: 0,
        up: false,
        loopback: false,
        pointToPoint: false,
        linkAddress: undefined,
        addresses: [],
      },
    ],
  );
});

test("the example of the documentation is the one that is type-checked", () => {
  const documented = readFileSync(new URL("../../../src/ffi/freebsd/index.ts", import.meta.url), "utf8")
    .match(/```ts\n([\s\S]*?) \* ```/)?.[1]
    ?.replace(/^ \* ?/gm, "");
  const checked = readFileSync(new URL("example.ts", import.meta.url), "utf8");
  assert.equal(documented, checked.replace("../../../src/ffi/freebsd/index.ts", "klee/ffi/freebsd"));
});
