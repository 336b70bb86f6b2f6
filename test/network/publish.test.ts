import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KleeError } from "../../src/kleene/errors.ts";
import type { PublishedOn } from "../../src/kleene/network/policy.ts";
import { agrees, excludes, formatPublished, parsePublish } from "../../src/kleene/network/publish.ts";
import { formatRange } from "../../src/kleene/network/published.ts";

const anywhere = { interface: "", address: "" };

test("every form of -p", () => {
  const one = (port: number): { first: number; last: number } => ({ first: port, last: port });
  const cases: [string, object][] = [
    ["8080", { protocol: "tcp", ...anywhere, hostPort: one(8080), containerPort: one(8080) }],
    ["8080:80", { protocol: "tcp", ...anywhere, hostPort: one(8080), containerPort: one(80) }],
    ["53:5353/udp", { protocol: "udp", ...anywhere, hostPort: one(53), containerPort: one(5353) }],
    [
      "em0:8080:80/tcp",
      { protocol: "tcp", interface: "em0", address: "", hostPort: one(8080), containerPort: one(80) },
    ],
    [
      "192.0.2.2:8080:80",
      { protocol: "tcp", interface: "", address: "192.0.2.2", hostPort: one(8080), containerPort: one(80) },
    ],
    [
      "[2001:DB8:0::2]:8080:80",
      { protocol: "tcp", interface: "", address: "2001:db8::2", hostPort: one(8080), containerPort: one(80) },
    ],
    [
      "8000-8010:80-90",
      { protocol: "tcp", ...anywhere, hostPort: { first: 8000, last: 8010 }, containerPort: { first: 80, last: 90 } },
    ],
    ["0:80", { protocol: "tcp", ...anywhere, hostPort: undefined, containerPort: one(80) }],
    ["0:80-82/udp", { protocol: "udp", ...anywhere, hostPort: undefined, containerPort: { first: 80, last: 82 } }],
    ["em0:0:80", { protocol: "tcp", interface: "em0", address: "", hostPort: undefined, containerPort: one(80) }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parsePublish(text), expected, text);
});

test("what is wrong with -p is said in one line", () => {
  const cases: [string, RegExp][] = [
    ["", /"" is no port/],
    ["http", /"http" is no port/],
    ["0", /name the container's port: 0:80/],
    ["80:0", /only a single host port can be 0/],
    ["65536:80", /ports end at 65535/],
    ["8010-8000:80-90", /ends before it begins/],
    ["8000-8010:80", /11 host ports and 1 of the container/],
    ["0-5:80-85", /only a single host port can be 0/],
    ["80:80/sctp", /the protocol is tcp or udp/],
    ["a:b:c:d", /at most INTERFACE:HOST:CONTAINER/],
    ["2001:db8::2:8080:80", /IPv6 address stands in brackets/],
    ["[2001:db8::2]:8080", /give \[ADDRESS\]:HOST:CONTAINER/],
    ["[192.0.2.2]:8080:80", /is no IPv6 address/],
    ["192.0.2.300:8080:80", /is no IPv4 address/],
    ["em 0:8080:80", /invalid interface name/],
    ["averyverylonginterface:1:1", /invalid interface name/],
  ];
  for (const [text, message] of cases)
    assert.throws(
      () => parsePublish(text),
      (error: unknown) => {
        assert(error instanceof KleeError && error.code === "INVALID", text);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      },
    );
});

test("whatever stands after -p is read or refused, and nothing else happens", () => {
  const near = fc.string({ unit: fc.constantFrom(..."0189:-/[].abtcpud") });
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      try {
        const { hostPort, containerPort } = parsePublish(text);
        for (const range of [hostPort ?? containerPort, containerPort])
          assert(range.first >= 1 && range.first <= range.last && range.last <= 65_535);
      } catch (error) {
        assert(error instanceof KleeError && error.code === "INVALID", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

const range = fc
  .tuple(fc.integer({ min: 1, max: 65_000 }), fc.integer({ min: 0, max: 500 }))
  .map(([first, length]) => ({ first, last: first + length }));
const place = fc.constantFrom(
  { interface: "em0", address: "" },
  { interface: "em1", address: "" },
  { interface: "", address: "192.0.2.2" },
  { interface: "", address: "192.0.2.3" },
  { interface: "", address: "2001:db8::2" },
  { interface: "", address: "0.0.0.0" },
  { interface: "", address: "::" },
);
const published: fc.Arbitrary<PublishedOn> = fc
  .tuple(fc.constantFrom("tcp", "udp"), place, range)
  .map(([protocol, where, hostPort]) => ({ protocol, ...where, hostPort, containerPort: hostPort }) as PublishedOn);

test("what klee writes of a port, it reads as the same port", () => {
  fc.assert(
    fc.property(published, (port) => {
      const [where = "", protocol = ""] = formatPublished(port).split("/");
      assert.deepEqual(parsePublish(`${where}:${formatRange(port.containerPort)}/${protocol}`), port);
    }),
  );
});

test("ports exclude each other mutually, and themselves; not in another protocol, family or on another address", () => {
  fc.assert(
    fc.property(published, published, (one, other) => {
      assert.equal(excludes(one, other), excludes(other, one));
      assert(excludes(one, one) && agrees(one, one));
      if (one.protocol !== other.protocol) assert(!excludes(one, other));
      if (one.hostPort.last < other.hostPort.first) assert(!excludes(one, other));
    }),
  );
  const at = (address: string, name = ""): PublishedOn => ({
    protocol: "tcp",
    interface: name,
    address,
    hostPort: { first: 80, last: 80 },
    containerPort: { first: 80, last: 80 },
  });
  assert(excludes(at("", "em0"), at("", "em1")), "the host's own 127.0.0.1:80 leads to one container");
  assert(excludes(at("", "em0"), at("192.0.2.2")));
  assert(excludes(at("0.0.0.0"), at("192.0.2.2")));
  assert(!excludes(at("192.0.2.2"), at("192.0.2.3")));
  assert(!excludes(at("0.0.0.0"), at("2001:db8::2")));
});
