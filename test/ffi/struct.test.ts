import assert from "node:assert/strict";
import { test } from "node:test";
import {
  arrayOf,
  bytes,
  cString,
  decodeCString,
  encodeCString,
  FieldError,
  i16,
  i32,
  i64,
  pointer,
  struct,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64,
} from "../../src/ffi/struct.ts";

const inner = struct("struct inner", "none.h", 4, { a: [0, u8], port: [2, u16be] });
const outer = struct("struct outer", "none.h", 64, {
  name: [0, cString(8)],
  in: [8, inner],
  pair: [12, arrayOf(u16, 2)],
  raw: [16, bytes(4)],
  number: [20, i32],
  net: [24, u32be],
  short: [28, i16],
  wide: [32, u64],
  signed: [40, i64],
  flags: [48, u32],
  data: [56, pointer],
});

test("a struct encodes each field at its offset and leaves the rest zero", () => {
  const encoded = outer.encode({
    name: "lo1",
    in: { a: 16, port: 0x1234 },
    pair: [1, 0x0203],
    raw: Uint8Array.of(10, 2, 3, 1),
    number: -2,
    net: 0x0a020301,
    short: -3,
    wide: 2n ** 64n - 1n,
    signed: -1n,
    flags: 0xffffffff,
  });
  assert.equal(
    encoded.toString("hex"),
    [
      "6c6f310000000000",
      "10001234",
      "01000302",
      "0a020301",
      "feffffff",
      "0a020301",
      "fdff0000",
      "ffffffffffffffff",
      "ffffffffffffffff",
      "ffffffff00000000",
      "0000000000000000",
    ].join(""),
  );
});

test("one field is decoded alone, with the checks of all", () => {
  const encoded = Buffer.concat([Buffer.alloc(8), outer.encode({ name: "lo1", in: { a: 16 }, number: -2 })]);
  assert.equal(outer.decodeField("number", encoded, 8), -2);
  assert.equal(outer.decodeField("name", encoded, 8), "lo1");
  assert.deepEqual(outer.decodeField("in", encoded, 8), { a: 16, port: 0 });
  assert.throws(() => outer.decodeField("number", encoded, 9), { message: "struct outer needs 64 bytes at 9, of 72" });
  assert.throws(() => outer.decodeField("nmuber" as "number", encoded, 8), {
    message: "struct outer has no field nmuber",
  });
});

test("a string of other characters than ASCII fits by its bytes, and leaves nothing behind it", () => {
  const target = Buffer.alloc(64, 0xff);
  outer.write(target, 0, { name: "ääb" }, outer.cName);
  assert.equal(target.toString("hex", 0, 9), "c3a4c3a462000000ff");
  outer.write(target, 0, { name: "lo1" }, outer.cName);
  assert.equal(target.toString("hex", 0, 9), "6c6f310000000000ff");
  const short = { message: 'struct outer.name: "abcdefä" is 8 bytes, at most 7 fit' };
  assert.throws(() => outer.encode({ name: "abcdefä" }), short);
});

test("decoding gives back what was encoded, also from within a larger buffer", () => {
  const values = {
    name: "kleene0",
    in: { a: 1, port: 80 },
    pair: [7, 8],
    raw: Buffer.from("abcd"),
    number: -5,
    net: 1,
    short: -1,
    wide: 5n,
    signed: -6n,
    flags: 9,
    data: 0x1000n,
  };
  const encoded = outer.encode(values);
  assert.deepEqual(outer.decode(encoded), values);
  assert.deepEqual(outer.decode(new Uint8Array(Buffer.concat([Buffer.alloc(3), encoded])), 3), values);
});

test("decoded bytes are a copy", () => {
  const encoded = outer.encode({ raw: Buffer.from("abcd") });
  const { raw } = outer.decode(encoded);
  encoded.fill(0);
  assert.equal(raw.toString(), "abcd");
});

test("a string that does not fit is an error, not a shorter name", () => {
  assert.equal(outer.encode({ name: "1234567" }).toString("latin1", 0, 8), "1234567\0");
  assert.throws(() => outer.encode({ name: "12345678" }), {
    name: "FieldError",
    message: 'struct outer.name: "12345678" is 8 bytes, at most 7 fit',
  });
  assert.throws(() => outer.encode({ name: "éééé" }), FieldError);
  assert.throws(() => outer.encode({ name: "a\0b" }), FieldError);
});

test("values outside their type are errors", () => {
  assert.throws(() => outer.encode({ in: { a: 256 } }), { message: /struct outer\.in\.a: 256 is not an integer/ });
  assert.throws(() => outer.encode({ number: 1.5 }), FieldError);
  assert.throws(() => outer.encode({ number: Number.NaN }), FieldError);
  assert.throws(() => outer.encode({ wide: -1n }), FieldError);
  assert.throws(() => outer.encode({ wide: 2n ** 64n }), FieldError);
  assert.throws(() => outer.encode({ raw: Buffer.alloc(3) }), { message: /3 bytes, not 4/ });
  assert.throws(() => outer.encode({ pair: [1] }), { message: /1 elements, not 2/ });
  assert.throws(() => outer.decode(Buffer.alloc(63)), { message: "struct outer needs 64 bytes at 0, of 63" });
  assert.throws(() => struct("struct bad", "none.h", 4, { a: [2, u32] }), {
    message: "struct bad.a lies outside 4 bytes",
  });
});

test("a field the struct does not have is refused", () => {
  // A value computed elsewhere escapes the compiler's excess property check.
  const values: object = { nonesuch: 1 };
  assert.throws(() => outer.encode(values), { message: "struct outer has no field nonesuch" });
});

test("C strings", () => {
  assert.equal(encodeCString("web", "name").toString("hex"), "77656200");
  assert.throws(() => encodeCString("a\0", "name"), { message: 'name: "a\\u0000" holds a NUL byte' });
  assert.equal(decodeCString(Buffer.from("lo0\0garbage")), "lo0");
  assert.equal(decodeCString(Buffer.from("full")), "full");
});
