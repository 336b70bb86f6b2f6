import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAddress } from "../../src/ffi/inet.ts";
import { addressKey, isAgainst, isOlderThan, type OlderConnection, olderThan } from "../../src/kleene/network/older.ts";
import {
  containerPolicy,
  type PolicyContainer,
  type PolicyNetwork,
  policyOf,
} from "../../src/kleene/network/policy.ts";

const HOST = "192.0.2.2";
const OUTSIDE = "192.0.2.1";

const network = (id: string, subnet: string, more: Partial<PolicyNetwork> = {}): PolicyNetwork => ({
  id,
  name: id,
  interface: "kleene0",
  exclusive: true,
  subnet,
  subnet6: "",
  gateway: "",
  gateway6: "",
  nat: "em0",
  icc: true,
  internal: false,
  log: false,
  ...more,
});
const one = network("one", "10.2.3.0/24");
const apart = network("apart", "10.2.4.0/24", { icc: false, gateway: "10.2.4.1" });
const shut = network("shut", "10.2.5.0/24", { internal: true, nat: "" });
const lan = network("lan", "192.0.2.0/24", { exclusive: false, nat: "" });
const container = (
  id: string,
  of: PolicyNetwork,
  ipv4: string,
  more: Partial<PolicyContainer> = {},
): PolicyContainer => ({
  id,
  name: id,
  rawSockets: false,
  attachments: [{ network: of, ipv4, ipv6: "" }],
  ports: [],
  ...more,
});
const port = { protocol: "udp", interface: "em0", address: "" } as const;
const web = container("web", one, "10.2.3.1", {
  ports: [{ ...port, hostPort: { first: 9100, last: 9101 }, containerPort: { first: 9000, last: 9001 } }],
});
const all = policyOf(
  [one, apart, shut, lan],
  [web, container("b", one, "10.2.3.2"), container("c", apart, "10.2.4.2"), container("d", shut, "10.2.5.1")],
);

const isHosts = (_family: unknown, address: string): boolean => address === key(HOST) || address.startsWith("7f");
const key = (address: string): string => addressKey(encodeAddress(address));
const end = (text: string) => {
  const [address = "", number] = text.split(":");
  return { address: key(address), port: Number(number) };
};
/** `from to [> what translation made of them]` */
function connection(flow: string, more: Partial<OlderConnection> = {}): OlderConnection {
  const [from = "", to = "", , from2 = from, to2 = to] = flow.split(" ");
  return {
    family: 4,
    protocol: "udp",
    before: { from: end(from), to: end(to) },
    after: { from: end(from2), to: end(to2) },
    accepted: false,
    passage: "both",
    ...more,
  };
}

test("of a published port, those are older that lead elsewhere; of others, none", () => {
  const isOlder = isOlderThan(olderThan({ add: containerPolicy(web) }), isHosts);
  const cases: readonly (readonly [string, boolean, Partial<OlderConnection>?])[] = [
    [`${OUTSIDE}:5000 ${HOST}:9100`, true],
    [`127.0.0.1:5000 127.0.0.1:9101`, true],
    [`${OUTSIDE}:5000 ${HOST}:9100 > ${OUTSIDE}:5000 10.2.3.9:9000`, true],
    [`${OUTSIDE}:5000 ${HOST}:9100 > ${OUTSIDE}:5000 10.2.3.1:9001`, true],
    [`${OUTSIDE}:5000 ${HOST}:9100 > ${OUTSIDE}:5000 10.2.3.1:9000`, false],
    [`${OUTSIDE}:5000 ${HOST}:9102`, false],
    [`${OUTSIDE}:5000 ${HOST}:9100`, false, { protocol: "tcp" }],
    [`${OUTSIDE}:5000 ${HOST}:9100`, false, { protocol: undefined }],
    [`${HOST}:5000 ${OUTSIDE}:9100`, false],
    [`${HOST}:9100 ${OUTSIDE}:53`, false],
    [`${OUTSIDE}:5000 ${HOST}:9100`, false, { passage: "out" }],
  ];
  for (const [flow, expected, more] of cases) assert.equal(isOlder(connection(flow, more)), expected, flow);
});

test("a TCP connection is left to the program of the host that has accepted it", () => {
  const [published] = web.ports;
  assert(published);
  const tcp = { ...web, ports: [{ ...published, protocol: "tcp" as const }] };
  const isOlder = isOlderThan(olderThan({ add: containerPolicy(tcp) }), isHosts);
  const to = `${OUTSIDE}:5000 ${HOST}:9100`;
  assert.equal(isOlder(connection(to, { protocol: "tcp", accepted: true })), false);
  assert.equal(isOlder(connection(to, { protocol: "tcp" })), true);
  const elsewhere = `${to} > ${OUTSIDE}:5000 10.2.3.9:9000`;
  assert.equal(isOlder(connection(elsewhere, { protocol: "tcp", accepted: true })), true);
});

test("a port on one address of the host concerns no other; one that stays, nothing", () => {
  const at = { ...web, ports: web.ports.map((published) => ({ ...published, interface: "", address: HOST })) };
  const isOlder = isOlderThan(olderThan({ add: containerPolicy(at) }), () => true);
  assert.equal(isOlder(connection(`${OUTSIDE}:5000 ${HOST}:9100`)), true);
  assert.equal(isOlder(connection(`${OUTSIDE}:5000 192.0.2.3:9100`)), false);
  assert.deepEqual(olderThan({ add: containerPolicy(at), remove: containerPolicy(at) }).ports, []);
});

test("of a new network all, and of a container's address on an interface of others", () => {
  const fresh = isOlderThan(olderThan({ add: { networks: [one, lan] } }), isHosts);
  assert.equal(fresh(connection(`${OUTSIDE}:1 10.2.3.7:2`)), true);
  assert.equal(fresh(connection(`10.2.3.255:1 ${OUTSIDE}:2 > ${HOST}:1 ${OUTSIDE}:2`)), true);
  assert.equal(fresh(connection(`${OUTSIDE}:1 10.2.4.0:2`)), false);
  assert.equal(fresh(connection(`${OUTSIDE}:1 ${HOST}:2`)), false, "the host's neighbours are no members");
  const guest = isOlderThan(olderThan({ add: containerPolicy(container("e", lan, "192.0.2.77")) }), isHosts);
  assert.equal(guest(connection(`${OUTSIDE}:1 192.0.2.77:2`)), true);
  assert.equal(guest(connection(`${OUTSIDE}:1 ${HOST}:2`)), false);
  assert.deepEqual(olderThan({ add: containerPolicy(web) }).addresses, []);
});

test("what a whole policy does not provide for", () => {
  const isOlder = isAgainst(all, isHosts);
  const cases: readonly (readonly [string, boolean, Partial<OlderConnection>?])[] = [
    // Translated, and not.
    [`10.2.3.1:1 ${OUTSIDE}:53 > ${HOST}:9 ${OUTSIDE}:53`, false],
    [`10.2.3.1:1 ${OUTSIDE}:53`, true],
    [`10.2.3.1:1 ${OUTSIDE}:53`, false, { passage: "in" }],
    [`10.2.3.1:1 ${HOST}:53`, false],
    ["10.2.3.1:1 224.0.0.251:5353", false],
    // To published ports.
    [`${OUTSIDE}:1 ${HOST}:9100`, true],
    [`${OUTSIDE}:1 ${HOST}:9100 > ${OUTSIDE}:1 10.2.3.1:9000`, false],
    [`${OUTSIDE}:1 10.2.3.1:9000`, true],
    [`${OUTSIDE}:1 10.2.3.1:9000`, false, { passage: "out" }],
    [`${HOST}:1 10.2.3.1:9000`, false],
    // Between containers.
    ["10.2.3.1:1 10.2.3.2:80", false],
    ["10.2.4.2:1 10.2.4.2:80", false],
    ["10.2.4.2:1 10.2.4.3:80", true],
    ["10.2.4.2:1 10.2.3.2:80", true],
    ["10.2.4.2:1 10.2.3.1:9000", false],
    ["10.2.4.2:1 10.2.3.1:9000", true, { protocol: "tcp" }],
    [`10.2.4.2:1 ${HOST}:9100 > 10.2.4.2:1 10.2.3.1:9000`, false],
    ["10.2.4.2:1 10.2.4.1:80", false],
    ["10.2.4.1:1 10.2.4.2:80", false],
    // From where there is no way out.
    [`10.2.5.1:1 ${OUTSIDE}:53`, true],
    [`10.2.5.1:1 ${HOST}:53`, true],
    ["10.2.5.1:1 10.2.3.1:9000", true],
    ["10.2.5.1:1 10.2.5.2:80", false],
    // None of klee's.
    [`${OUTSIDE}:1 ${HOST}:22`, false],
    [`${HOST}:1 ${OUTSIDE}:22`, false],
  ];
  for (const [flow, expected, more] of cases) assert.equal(isOlder(connection(flow, more)), expected, flow);
});
