import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
  AddressError,
  encodeAddress,
  encodeInet,
  encodeInet6,
  formatAddress,
  isIPv4,
  isIPv6,
  netmask,
  parsePrefix,
  prefixLengthOf,
} from "../../src/ffi/inet.ts";

test("known addresses have their bytes and their shortest form", () => {
  for (const [text, hex, shortest = text] of [
    ["10.2.3.1", "0a020301"],
    ["255.255.255.255", "ffffffff"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["fd00:2:3::1", "fd000002000300000000000000000001"],
    ["FE80:0:0:0:0:0:0:1", "fe800000000000000000000000000001", "fe80::1"],
    ["1:0:0:2:0:0:0:3", "00010000000000020000000000000003", "1:0:0:2::3"],
    ["1:0:2:3:4:5:6:7", "00010000000200030004000500060007"],
    ["1::", "00010000000000000000000000000000"],
    ["::ffff:10.2.3.1", "00000000000000000000ffff0a020301"],
    ["64:ff9b::10.2.3.1", "0064ff9b00000000000000000a020301", "64:ff9b::a02:301"],
  ] as const) {
    assert.equal(encodeAddress(text).toString("hex"), hex, text);
    assert.equal(formatAddress(encodeAddress(text)), shortest);
  }
});

test("every address survives being written and read, in the form the URL standard gives it", () => {
  const sparse = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(sparse, (words) => {
      const bytes = Buffer.from(words.flatMap((word) => [word >> 8, word & 0xff]));
      const text = formatAddress(bytes);
      assert.deepEqual(encodeAddress(text), bytes);
      if (!text.includes(".")) assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
    }),
  );
});

test("what is no address is refused", () => {
  for (const text of ["", "10.2.3", "10.2.3.256", "::1::", "fe80::1%eth0", "10.2.3.1/", "host", "1:2:3"])
    assert.throws(() => encodeAddress(text), AddressError, text);
  for (const text of ["10.2.3.1/33", "::1/129", "10.2.3.1/", "10.2.3.1/-1", "10.2.3.1/8/8", "10.2.3.1/x"])
    assert.throws(() => parsePrefix(text), AddressError, text);
});

test("without a prefix length an address stands for itself", () => {
  assert.deepEqual(parsePrefix("10.2.3.1"), { family: "inet", bytes: Buffer.from([10, 2, 3, 1]), length: 32 });
  assert.equal(parsePrefix("::1").length, 128);
  assert.equal(parsePrefix("10.0.0.0/8").length, 8);
});

test("what is an address and what is none is what Node says", () => {
  const version = (text: string): number => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);
  const piece = fc.constantFrom(
    "0",
    "1",
    "00",
    "255",
    "256",
    "ffff",
    "10000",
    "abc",
    "g",
    ":",
    "::",
    ".",
    "1.2.3.4",
    " ",
  );
  const near = fc.array(piece, { maxLength: 17 }).map((pieces) => pieces.join(""));
  const separated = fc
    .tuple(fc.array(piece, { maxLength: 9 }), fc.constantFrom(":", "."))
    .map(([pieces, separator]) => pieces.join(separator));
  for (const texts of [near, separated, fc.ipV4(), fc.ipV6(), fc.string()])
    fc.assert(
      fc.property(texts, (text) => assert.equal(version(text), text.includes("%") ? 0 : isIP(text), text)),
      { numRuns: 2000 },
    );
});

test("of one family, no other text is taken", () => {
  assert.equal(encodeInet("10.2.3.1").toString("hex"), "0a020301");
  assert.equal(encodeInet6("::1").at(-1), 1);
  for (const text of ["", "::1", "10.2.3", "10.2.3.1/32"]) assert.throws(() => encodeInet(text), AddressError, text);
  for (const text of ["", "10.2.3.1", "fe80::1%eth0"]) assert.throws(() => encodeInet6(text), AddressError, text);
});

test("a netmask has as many one bits as its prefix is long", () => {
  for (const size of [4, 16] as const)
    for (let length = 0; length <= size * 8; length++) {
      const bits = [...netmask(length, size)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
      assert.equal(bits, "1".repeat(length).padEnd(size * 8, "0"));
      assert.equal(prefixLengthOf(netmask(length, size)), length);
    }
  for (const length of [-1, 33, 1.5]) assert.throws(() => netmask(length, 4), AddressError);
});
