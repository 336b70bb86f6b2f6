import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KleeError } from "../../src/kleene/errors.ts";
import { parseSubnet } from "../../src/kleene/network/parse-subnet.ts";
import {
  addressToNumber,
  contains,
  familyOf,
  networkOfAddress,
  numberToAddress,
  overlaps,
  storedSubnet,
} from "../../src/kleene/network/subnet.ts";

/** Networks that containers may have: none of the reserved ranges. */
const subnets4 = fc
  .tuple(fc.nat({ max: 0xffffff }), fc.integer({ min: 8, max: 32 }))
  .map(([low, prefix]) => ({ value: (10n << 24n) | BigInt(low), prefix }))
  .map(({ value, prefix }) => ({ family: 4 as const, prefix, first: cleared(value, 32 - prefix) }));
const subnets6 = fc
  .tuple(fc.bigInt({ min: 0n, max: (1n << 120n) - 1n }), fc.integer({ min: 8, max: 128 }))
  .map(([low, prefix]) => ({ value: (0xfdn << 120n) | low, prefix }))
  .map(({ value, prefix }) => ({ family: 6 as const, prefix, first: cleared(value, 128 - prefix) }));
const subnets = fc.oneof(subnets4, subnets6);

const cleared = (value: bigint, bits: number): bigint => (value >> BigInt(bits)) << BigInt(bits);
const cidrOf = ({ family, first, prefix }: { family: 4 | 6; first: bigint; prefix: number }): string =>
  `${numberToAddress(family, first)}/${prefix}`;

test("a subnet is its own text, and what is stored reads back the same", () => {
  fc.assert(
    fc.property(subnets, (given) => {
      const subnet = parseSubnet("subnet", given.family, cidrOf(given));
      assert.equal(subnet.first, given.first);
      assert.equal(subnet.cidr, cidrOf(given));
      assert.deepEqual(storedSubnet(subnet.cidr), subnet);
      assert(subnet.firstUsable >= subnet.first && subnet.lastUsable <= subnet.last);
      assert(subnet.firstUsable <= subnet.lastUsable, "never without an address");
    }),
  );
});

test("host bits: the network that was meant is named, and is accepted", () => {
  const offset = fc.bigInt({ min: 1n, max: (1n << 128n) - 1n });
  fc.assert(
    fc.property(subnets, offset, (given, number) => {
      const size = 1n << BigInt((given.family === 4 ? 32 : 128) - given.prefix);
      fc.pre(number % size !== 0n);
      const address = numberToAddress(given.family, given.first + (number % size));
      const meant = cidrOf(given);
      assert.throws(
        () => parseSubnet("subnet", given.family, `${address}/${given.prefix}`),
        (error) => error instanceof KleeError && error.message.endsWith(`the network is ${meant}`),
      );
      assert.equal(networkOfAddress(`${address}/${given.prefix}`).cidr, meant);
    }),
  );
});

test("overlap is symmetric, and is what sharing an address means", () => {
  fc.assert(
    fc.property(subnets, subnets, (one, other) => {
      const a = storedSubnet(cidrOf(one));
      const b = storedSubnet(cidrOf(other));
      assert.equal(overlaps(a, b), overlaps(b, a));
      const shared = a.family === b.family && (contains(a, b.first) || contains(b, a.first));
      assert.equal(overlaps(a, b), shared);
    }),
  );
});

test("addresses: text and number are one, and are of the family they look like", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      const family = familyOf(address);
      assert.equal(family, address.includes(":") ? 6 : 4);
      const number = addressToNumber(address);
      assert.equal(addressToNumber(numberToAddress(family, number)), number);
    }),
  );
});

test("whatever is typed is a subnet or one clear line", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(..."0123456789abcdef:./ -%x") }),
    fc.tuple(fc.ipV4(), fc.integer({ min: -1, max: 140 })).map(([address, prefix]) => `${address}/${prefix}`),
    fc.tuple(fc.ipV6(), fc.integer({ min: -1, max: 140 })).map(([address, prefix]) => `${address}/${prefix}`),
  );
  fc.assert(
    fc.property(texts, fc.constantFrom(4 as const, 6 as const), (text, family) => {
      try {
        const subnet = parseSubnet("subnet", family, text);
        assert.equal(subnet.family, family);
      } catch (error) {
        assert(error instanceof KleeError, String(error));
        assert.equal(error.code, "INVALID");
        assert.match(error.message, /^invalid subnet: [^\n]+$/);
      }
    }),
    { numRuns: 2000 },
  );
});
