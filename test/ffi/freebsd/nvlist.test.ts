import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseNetwork } from "../../../src/ffi/freebsd/pf/address.ts";
import { type NvList, packNvlist, unpackNvlist } from "../../../src/ffi/freebsd/pf/nvlist.ts";
import { stateKillList } from "../../../src/ffi/freebsd/pf/state.ts";
import { FieldError } from "../../../src/ffi/struct.ts";

test("a list is packed as libnv packs it", () => {
  const header = (size: string) => `6c0000${"00".repeat(8)}${size}${"00".repeat(7)}`;
  const head = (type: string, nameSize: string, size: string, items = "00") =>
    `${type}${nameSize}00${size}${"00".repeat(7)}${items}${"00".repeat(7)}`;
  const hex = (text: string) => Buffer.from(`${text}\0`).toString("hex");
  assert.equal(packNvlist({}).toString("hex"), header("00"));
  assert.equal(
    packNvlist({ nr: 7n }).toString("hex"),
    `${header("1e") + head("03", "03", "08") + hex("nr")}07${"00".repeat(7)}`,
  );
  // A nested list's size counts all that follows its header, the end mark and its parent's later pairs included.
  assert.equal(
    packNvlist({ in: { a: "b" }, ok: true }).toString("hex"),
    header("6b") +
      head("05", "03", "2a") +
      hex("in") +
      header("42") +
      head("04", "02", "02") +
      hex("a") +
      hex("b") +
      head("ff", "01", "00") +
      hex("") +
      head("02", "03", "01") +
      hex("ok") +
      "01",
  );
});

test("what is packed is read back", () => {
  const name = fc.stringMatching(/^[a-z_.]{1,20}$/).filter((text) => text !== "__proto__");
  const leaf = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.string().filter((text) => !text.includes("\0")),
    fc.boolean(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 4 }),
  );
  const { list } = fc.letrec((tie) => ({
    list: fc.dictionary(name, fc.oneof({ maxDepth: 3 }, leaf, tie("list")), { maxKeys: 5, noNullPrototype: true }),
  }));
  fc.assert(
    fc.property(list, (value) => {
      assert.deepEqual(unpackNvlist(packNvlist(value as NvList)), value);
    }),
  );
});

test("a list that is cut off is refused, not read beyond its end", () => {
  const packed = packNvlist(stateKillList({ id: 1n, creator: 2 }));
  for (let length = 0; length < packed.length; length++) {
    try {
      unpackNvlist(packed.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof FieldError || error instanceof RangeError, String(error));
    }
  }
});

test("a request to end a connection says all that the kernel asks for, as numbers", () => {
  const end = (value: unknown) => value as { neg: unknown; port: unknown; port_op: unknown };
  const { src, dst, af, proto } = stateKillList({ id: 1n, creator: 2 });
  for (const { neg, port, port_op } of [end(src), end(dst)]) {
    assert.deepEqual([neg, port, port_op, af, proto], [0n, [0n, 0n], 0n, 0n, 0n]);
  }
});

test("connections to ports of a network are asked for by mask, protocol and ports in network byte order", () => {
  const network = parseNetwork("10.2.3.0/24");
  const { src, dst, af, proto } = stateKillList({
    end: "to",
    network,
    protocol: 17,
    ports: { first: 9000, last: 9001 },
  }) as Record<string, Record<string, unknown>>;
  const mask = Buffer.alloc(16);
  mask.fill(0xff, 0, 3);
  assert.deepEqual([af, proto], [2n, 17n]);
  assert.deepEqual(dst?.port, [0x2823n, 0x2923n]);
  assert.equal(dst?.port_op, 9n);
  assert.deepEqual(dst?.addr, { type: 0n, iflags: 0n, addr: { addr: network.bytes }, mask: { addr: mask } });
  assert.deepEqual(src?.port_op, 0n);
});
