import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SyscallError } from "../../src/ffi/errno.ts";
import { AddressError } from "../../src/ffi/inet.ts";
import {
  decodeAcknowledgement,
  decodeAttributes,
  decodeMessages,
  encodeAttribute,
  encodeMessage,
  NetlinkFormatError,
} from "../../src/ffi/linux/netlink/message.ts";
import { NetlinkSocket } from "../../src/ffi/linux/netlink/socket.ts";
import { decodeLinkAddress } from "../../src/ffi/linux/rtnl/address.ts";
import { decodeLink } from "../../src/ffi/linux/rtnl/link.ts";
import { decodeDefaultRoute } from "../../src/ffi/linux/rtnl/route.ts";
import { FieldError } from "../../src/ffi/struct.ts";
import { runs, seed } from "./seed.ts";

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const attributes = fc
  .array(fc.tuple(fc.nat({ max: 40 }), bytes(24)), { maxLength: 6 })
  .map((list) => Buffer.concat(list.map(([type, value]) => encodeAttribute(type, value))));
/** Well-formed, then some bytes of it changed or the end cut off: what a bug on either side would send. */
const replies = fc
  .array(fc.tuple(fc.constantFrom(2, 3, 16, 20, 24), fc.nat({ max: 0xffff }), bytes(24), attributes), { maxLength: 4 })
  .map((list) =>
    Buffer.concat(list.map(([type, flags, head, rest]) => encodeMessage(type, flags, 1, Buffer.concat([head, rest])))),
  )
  .chain((whole) =>
    fc
      .tuple(fc.array(fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 255 })), { maxLength: 4 }), fc.nat({ max: 500 }))
      .map(([changes, length]) => {
        const damaged = Buffer.from(whole);
        for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
        return damaged.subarray(0, Math.max(0, damaged.length - (length % 3 === 0 ? length : 0)));
      }),
  );

/** Malformed is a word of the bindings' own, never a stray RangeError. */
function decodes(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    const known = [NetlinkFormatError, FieldError, AddressError, SyscallError].some((type) => error instanceof type);
    assert.ok(known, error instanceof Error ? error.stack : String(error));
  }
}

const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void =>
  fc.assert(fc.property(arbitrary, property), { seed, numRuns: runs(5000) });

test("any bytes are messages or a format error", () => {
  check(fc.oneof(replies, bytes(200)), (data) => {
    decodes(() => {
      for (const message of decodeMessages(data)) {
        decodes(() => decodeAcknowledgement(message));
        decodes(() => decodeLink(message));
        decodes(() => decodeLinkAddress(message));
        decodes(() => decodeDefaultRoute(message, "inet"));
        decodes(() => decodeDefaultRoute(message, "inet6"));
      }
    });
    decodes(() => decodeAttributes(data));
  });
});

test("a conversation with a kernel that answers anything ends", () => {
  check(fc.array(replies, { minLength: 1, maxLength: 3 }), (answers) => {
    const queue = [...answers];
    const socket = new NetlinkSocket({
      batchLength: 16,
      send: () => undefined,
      receive: () => {
        const next = queue.shift();
        // What recv(2) says at its time limit.
        if (next === undefined) throw new NetlinkFormatError("no more answers");
        return next;
      },
      [Symbol.dispose]: () => undefined,
    });
    const request = { call: "RTM_GETLINK", object: "lo", type: 18, flags: 0, body: Buffer.alloc(16) };
    decodes(() => socket.dump(request));
    decodes(() => socket.batch([request, request]));
  });
});
