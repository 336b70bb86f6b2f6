import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFrames, encodeBinding } from "../../../src/ffi/freebsd/bpf.ts";

test("the frames of a read: each behind its header, at multiples of 8 bytes", () => {
  const record = (frame: Buffer, header: number): Buffer => {
    const head = Buffer.alloc(header);
    head.writeUInt32LE(frame.length, 16);
    head.writeUInt32LE(1500, 20);
    head.writeUInt16LE(header, 24);
    return Buffer.concat([head, frame]);
  };
  const one = record(Buffer.from("first"), 26);
  const padded = Buffer.concat([one, Buffer.alloc(32 - one.length)]);
  const two = record(Buffer.from("the second"), 26);
  assert.deepEqual(decodeFrames(Buffer.concat([padded, two])).map(String), ["first", "the second"]);
  assert.deepEqual(decodeFrames(Buffer.alloc(0)), []);
});

test("a device is tied to an interface by these requests, in this order", () => {
  const calls = encodeBinding("em0");
  assert.deepEqual(
    calls.map(({ ioctl }) => ioctl.cName),
    ["BIOCIMMEDIATE", "BIOCSETIF", "BIOCSHDRCMPLT", "BIOCSDIRECTION", "BIOCSETF"],
  );
  assert.equal(calls[1]?.argument.toString("latin1", 0, 4), "em0\0");
  assert.equal(calls[4]?.argument.readUInt32LE(0), 10, "the program's length");
  // ldh [12]
  assert.equal(calls[4]?.pointee?.data.toString("hex", 0, 8), "280000000c000000");
});
