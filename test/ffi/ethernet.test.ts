import assert from "node:assert/strict";
import { test } from "node:test";
import { type FilterInstruction, holderIn, probeFilter, probeFrame } from "../../src/ffi/ethernet.ts";

const OWN = Buffer.from("02005e005301", "hex");
const OTHER = "02005e005302";
const bytes = (...parts: readonly string[]): Buffer => Buffer.from(parts.join("").replaceAll(" ", ""), "hex");

test("an ARP probe says nothing of who asks but its link address, RFC 5227", () => {
  assert.deepEqual(
    probeFrame(OWN, "192.0.2.7"),
    bytes(
      "ffffffffffff 02005e005301 0806", // to all, from, ARP
      "0001 0800 06 04 0001", // Ethernet, IPv4, sizes, request
      "02005e005301 00000000", // sender
      "000000000000 c0000207", // target
    ),
  );
});

test("a solicitation goes to the group of its address, from the unspecified one, RFC 4862", () => {
  assert.deepEqual(
    probeFrame(OWN, "2001:db8::7"),
    bytes(
      "3333ff000007 02005e005301 86dd", // to the group, from, IPv6
      "60000000 0018 3a ff", // 24 bytes of ICMPv6, hop limit 255
      "00000000000000000000000000000000",
      "ff0200000000000000000001ff000007",
      "8700 4ce1 00000000", // the checksum of RFC 4443; a kernel answers it, test/firewall/neighbours.test.ts
      "20010db8000000000000000000000007",
    ),
  );
});

const arp = (operation: string, sender: string, from: string, target: string): Buffer =>
  bytes(
    `ffffffffffff${sender}0806`,
    `0001080006040${operation}`.replace(/0(000\d)$/, "$1"),
    sender,
    from,
    "000000000000",
    target,
  );
const ip6 = (type: string, source: string, hops = "ff"): Buffer =>
  bytes(
    `333300000001${OTHER}86dd`,
    `6000000000183a${hops}`,
    source,
    "ff020000000000000000000000000001",
    `${type}000000a0000000`,
    "20010db8000000000000000000000007",
  );
const UNSPECIFIED = "0".repeat(32);
const LINK_LOCAL = "fe800000000000000000000000000002";
const four = { address: "192.0.2.7", linkAddress: "02:00:5e:00:53:02" };
const six = { address: "2001:db8::7", linkAddress: "02:00:5e:00:53:02" };

const frames: readonly (readonly [string, Buffer, object | undefined])[] = [
  ["an answer", arp("0002", OTHER, "c0000207", "00000000"), four],
  ["a request of its holder", arp("0001", OTHER, "c0000207", "c0000201"), four],
  ["a probe of another", arp("0001", OTHER, "00000000", "c0000207"), four],
  ["an own probe that came back", arp("0001", OWN.toString("hex"), "00000000", "c0000207"), undefined],
  ["an advertisement", ip6("88", LINK_LOCAL), six],
  ["another's duplicate address detection", ip6("87", UNSPECIFIED), six],
  ["somebody who looks for it", ip6("87", LINK_LOCAL), undefined],
  ["an advertisement from beyond a router", ip6("88", LINK_LOCAL, "fe"), undefined],
  ["a router's advertisement", ip6("86", LINK_LOCAL), undefined],
  ["a cut off frame", arp("0002", OTHER, "c0000207", "00000000").subarray(0, 30), undefined],
  ["nothing", Buffer.alloc(0), undefined],
];

for (const [what, frame, holder] of frames)
  test(`${what}: ${holder === undefined ? "tells nothing" : "tells who has it"}`, () => {
    assert.deepEqual(holderIn(frame, OWN), holder);
  });

/** Classic BPF, as far as the filter uses it. */
function passes(program: readonly FilterInstruction[], frame: Buffer): boolean {
  let value = 0;
  for (let at = 0; ; at += 1) {
    const instruction = program[at];
    assert(instruction !== undefined, "a program ends by an answer");
    const { code, jt, jf, k } = instruction;
    if (code === 0x06) return k > 0;
    // A load from beyond the frame's end is the answer no.
    if (code === 0x28 || code === 0x30) {
      if (k + (code === 0x28 ? 2 : 1) > frame.length) return false;
      value = code === 0x28 ? frame.readUInt16BE(k) : frame.readUInt8(k);
    } else at += value === k ? jt : jf;
  }
}

test("the kernel's filter passes whatever tells something, and nothing but ARP and neighbour discovery", () => {
  for (const [what, frame, holder] of frames) if (holder !== undefined) assert(passes(probeFilter, frame), what);
  assert.equal(passes(probeFilter, ip6("86", LINK_LOCAL)), false);
  const tcp = ip6("88", LINK_LOCAL);
  tcp[20] = 6;
  assert.equal(passes(probeFilter, tcp), false);
  const ip4 = arp("0002", OTHER, "c0000207", "00000000");
  ip4.writeUInt16BE(0x0800, 12);
  assert.equal(passes(probeFilter, ip4), false);
});
