import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { pf } from "../../../src/ffi/freebsd/index.ts";
import { describePolicy as describeAll } from "../../../src/kleene/host/freebsd/description.ts";
import { FreebsdFirewall } from "../../../src/kleene/host/freebsd/firewall.ts";
import { planChange as planAll } from "../../../src/kleene/host/freebsd/rule-change.ts";
import { anchorsOf as allAnchorsOf, ROOT } from "../../../src/kleene/host/freebsd/rules.ts";
import {
  ANYWHERE,
  containerPolicy,
  type Policy,
  type PolicyChange,
  type PolicyNetwork,
  policyOf,
  withdrawnAddresses,
} from "../../../src/kleene/network/policy.ts";
import { type Packet, SimulatedPf } from "../../support/simulated-pf.ts";
import { custom, database, loopback, neighbour, published, sample, secluded, web } from "./sample.ts";

const OUTWARD = ["em0", "em1"];
const anchorsOf = (policy: Policy) => allAnchorsOf(policy, OUTWARD);
const planChange = (change: PolicyChange) => planAll(change, OUTWARD);
const describePolicy = (policy: Policy) => describeAll(policy, OUTWARD);

test("a network that is translated whatever its packets leave by has an anchor for each interface", () => {
  const anywhere = { ...loopback, nat: ANYWHERE };
  const translating = anchorsOf(policyOf([anywhere, secluded], [])).filter(({ rules }) =>
    rules?.nat?.some(({ action, target }) => action === "nat" && target !== undefined),
  );
  assert.deepEqual(
    translating.map(({ anchor, tables }) => [anchor, tables]),
    OUTWARD.map((name) => [`klee/any/${name}`, { members: ["10.2.3.0/24", "fd00:2:3::/64"] }]),
  );
  for (const [index, { rules }] of translating.entries())
    assert.deepEqual(
      rules?.nat?.map((rule) => rule.interface),
      [OUTWARD[index], OUTWARD[index]],
    );
  const { permit, standing } = planChange({ add: { networks: [anywhere] } });
  assert.deepEqual(
    standing.map(({ anchor }) => anchor),
    ["klee/any/em0", "klee/any/em1"],
  );
  assert.deepEqual(
    permit.map(({ anchor }) => anchor),
    ["klee/any/em0", "klee/any/em1"],
  );
});

test("the policy reads as pf.conf text, anchor by anchor", () => {
  const golden = readFileSync(new URL("golden/policy.pf.conf", import.meta.url), "utf8");
  assert.equal(describePolicy(sample), golden);
  const documentation = readFileSync(new URL("../../../docs/freebsd-pf.md", import.meta.url), "utf8");
  const indented = golden.replace(/^(?=.)/gm, "    ");
  assert.ok(documentation.includes(indented), "docs/freebsd-pf.md shows these rules");
});

test("the root anchor's rules are the same for every policy; a network adds a fixed number", () => {
  const rules = (networks: readonly PolicyNetwork[], containers: Parameters<typeof policyOf>[1]) =>
    anchorsOf(policyOf(networks, containers)).map(({ anchor, rules }) => [anchor, rules] as const);
  const empty = new Map(rules([], []));
  const full = new Map(anchorsOf(sample).map(({ anchor, rules }) => [anchor, rules] as const));
  assert.deepEqual(full.get(ROOT), empty.get(ROOT));
  const many = Array.from({ length: 200 }, (_, index) => ({
    ...web,
    id: index.toString(16).padStart(12, "0"),
    attachments: [{ network: loopback, ipv4: `10.2.3.${index + 1}`, ipv6: "" }],
    ports: [],
  }));
  assert.deepEqual(rules([loopback], many), rules([loopback], []));
});

test("an endpoint in a network's subnet changes nothing, one elsewhere a few table elements", () => {
  const plain = { ...web, ports: [] };
  const nothing = planChange({ add: containerPolicy(plain) });
  assert.deepEqual([nothing.restrict, nothing.permit, nothing.withdraw, nothing.gone], [[], [], [], []]);
  assert.deepEqual(nothing.anchors, []);
  assert.deepEqual(
    nothing.standing.map(({ anchor }) => anchor),
    ["klee/nat/em0"],
    "the rules of translation, in case they are not there",
  );
  const elsewhere = { ...plain, attachments: [{ network: custom, ipv4: "192.0.2.9", ipv6: "" }] };
  const add = planChange({ add: containerPolicy(elsewhere) });
  assert.deepEqual(add.restrict, [{ anchor: "klee", table: "containers", addresses: ["192.0.2.9"] }]);
  assert.deepEqual(add.permit, [{ anchor: `klee/within/${custom.id}`, table: "members", addresses: ["192.0.2.9"] }]);
  const remove = planChange({ remove: containerPolicy(elsewhere) });
  assert.deepEqual(remove.withdraw, [...add.permit, ...add.restrict], "what allows goes first");
});

test("a change to a container leaves what it has before and after", () => {
  const one = { ...database, attachments: database.attachments.slice(0, 1) };
  const plan = planChange({ remove: containerPolicy(one), add: containerPolicy(database) });
  assert.deepEqual(plan.permit, [
    { anchor: `klee/within/${loopback.id}`, table: "guests", addresses: ["10.4.0.1", "10.2.3.2"].slice(0, 1) },
  ]);
  assert.deepEqual(plan.withdraw, []);
  const change = { remove: containerPolicy(database), add: containerPolicy(one) };
  assert.deepEqual(withdrawnAddresses(change), ["10.2.3.2"]);
  const back = planChange(change);
  assert.deepEqual(back.withdraw, [{ anchor: `klee/within/${loopback.id}`, table: "guests", addresses: ["10.4.0.1"] }]);
});

test("an address that a running container lost, of a network that others are on, is one element until its end", () => {
  const { attachments: both } = neighbour;
  const home = { ...neighbour, attachments: [{ network: loopback, ipv4: "10.2.3.9", ipv6: "" }] };
  const before = containerPolicy({ ...home, attachments: [...home.attachments, ...both] });
  const after = containerPolicy({ ...home, withdrawn: ["192.0.2.77"] });
  const lost = [{ anchor: "klee", table: "withdrawn", addresses: ["192.0.2.77"] }];
  assert.deepEqual(planChange({ remove: before, add: after }).restrict, lost);
  assert.deepEqual(planChange({ remove: after }).withdraw, lost);
});

test("published ports come and go as one anchor", () => {
  const plan = planChange({ add: containerPolicy(web) });
  assert.deepEqual(
    plan.anchors.map(({ anchor }) => anchor),
    [`klee/ports/${web.id}`],
  );
  const gone = planChange({ remove: containerPolicy(web) });
  assert.deepEqual(gone.anchors, [{ anchor: `klee/ports/${web.id}`, rules: { rdr: [], filter: [] } }]);
});

test("a network's anchor goes with it", () => {
  const plan = planChange({ remove: { networks: [secluded] } });
  assert.deepEqual(plan.gone, [`klee/within/${secluded.id}`]);
  assert.deepEqual(plan.withdraw, [
    { anchor: "klee", table: "containers", addresses: ["10.4.0.0/16"] },
    { anchor: "klee", table: "internal", addresses: ["10.4.0.0/16"] },
  ]);
});

const tcp = { protocol: pf.IPPROTO_TCP } as const;
const filter = new SimulatedPf({
  em0: ["198.51.100.1", "2001:db8::1"],
  em1: ["198.51.100.9"],
  lo0: ["127.0.0.1", "::1"],
  kleene0: ["10.2.3.1", "fd00:2:3::1", "10.2.3.2"],
  kleene1: ["10.4.0.1"],
});
after(() => filter[Symbol.dispose]());
const firewall = new FreebsdFirewall();
const outside = { 4: "203.0.113.5", 6: "2001:db8:ffff::5" } as const;

/** Each packet begins a connection of its own. */
function judge(packet: Packet): ReturnType<SimulatedPf["judge"]> {
  filter.forget();
  return filter.judge(packet);
}

/** A connection within the host: out by a loopback interface, and in again. */
function local(by: string, source: string, destination: string, port: number) {
  const out = judge({ ...tcp, direction: "out", interface: by, source, destination, port });
  if (!out.passed) return out;
  return judge({ ...out.packet, direction: "in" });
}

const arriving = (source: string, destination: string, port: number) =>
  judge({ ...tcp, direction: "in", interface: "em0", source, destination, port } satisfies Packet);
const leaving = (source: string, destination: string, port: number) =>
  judge({ ...tcp, direction: "out", interface: "em0", source, destination, port } satisfies Packet);

for (const icc of [true, false])
  for (const internal of [false, true])
    for (const nat of ["em0", ""])
      for (const family of [4, 6] as const) {
        const options = `icc ${icc}, internal ${internal}, nat "${nat}", IPv${family}`;
        test(`connections as the policy has them: ${options}`, () => {
          const network = { ...loopback, icc, internal, nat: internal ? "" : nat };
          const other = { ...loopback, id: "111111111111", name: "other", interface: "kleene1", nat: "" };
          const second = { ...other, subnet: "10.9.9.0/24", subnet6: "fd00:9:9::/64" };
          const at = (prefix: string, prefix6: string, host: number) => ({
            ipv4: `${prefix}.${host}`,
            ipv6: `${prefix6}::${host}`,
          });
          const a = {
            ...web,
            attachments: [{ network, ...at("10.2.3", "fd00:2:3", 1) }],
            ports: [published(8080, 80)],
          };
          const b = { ...a, id: "222222222222", attachments: [{ network, ...at("10.2.3", "fd00:2:3", 2) }], ports: [] };
          const c = {
            ...b,
            id: "333333333333",
            attachments: [{ network: second, ...at("10.9.9", "fd00:9:9", 1) }],
          };
          firewall.load(policyOf([network, second], [a, b, c]));
          const [one, two, far] = [a, b, c].map(({ attachments: [place] }) =>
            family === 4 ? (place?.ipv4 ?? "") : (place?.ipv6 ?? ""),
          ) as [string, string, string];
          const [host, home] = family === 4 ? ["198.51.100.1", "127.0.0.1"] : ["2001:db8::1", "::1"];
          const peer = outside[family];

          assert.equal(local("kleene0", two, one, 22).passed, icc, "to another in the network");
          assert.equal(local("kleene0", one, one, 22).passed, true, "to itself, and from the host");
          assert.equal(local("kleene1", two, far, 22).passed, false, "to another network");
          assert.equal(local("kleene0", far, one, 22).passed, false, "from another network");
          assert.equal(local("kleene0", far, one, 80).passed, true, "to a published port at its address");
          assert.equal(local("kleene0", two, one, 80).passed, icc || !internal, "the same, in the network");
          assert.equal(local("lo0", two, host, 22).passed, !internal, "to the host");

          const redirected = local("lo0", far, host, 8080);
          assert.deepEqual([redirected.passed, redirected.packet.destination, redirected.packet.port], [true, one, 80]);
          const fromHost = local("lo0", home, home, 8080);
          assert.deepEqual([fromHost.passed, fromHost.packet.destination, fromHost.packet.port], [true, one, 80]);

          const published_ = arriving(peer, host, 8080);
          assert.deepEqual(
            [published_.passed, published_.stateful, published_.packet.destination, published_.packet.port],
            [true, true, one, 80],
          );
          assert.equal(arriving(peer, one, 80).passed, false, "from outside to its address");
          assert.equal(arriving(two, one, 80).passed, false, "from outside, with a container's address");
          assert.equal(arriving(peer, host, 22).passed, true, "the host's own services");

          const out = leaving(one, peer, 443);
          assert.equal(out.passed, !internal, "to the outside");
          if (!internal) {
            assert.equal(out.packet.source, nat === "" ? one : host);
            assert.equal(out.stateful, true, "the answer passes");
          }
          assert.equal(leaving(host, peer, 443).packet.source, host, "the host's own connections");
        });
      }

test("a port that is published on a loopback address is the host's alone", () => {
  firewall.load(sample);
  const udp = { protocol: pf.IPPROTO_UDP, interface: "lo0", port: 5353, destination: "127.0.0.1" } as const;
  const own = judge({ ...udp, direction: "in", source: "127.0.0.1" });
  assert.deepEqual([own.passed, own.packet.destination, own.packet.port], [true, "10.2.3.1", 53]);
  const others = judge({ ...udp, direction: "in", source: "192.0.2.77" });
  assert.equal(others.passed, false);
});

test("a range of ports is redirected port by port, and only on the interface that was named", () => {
  firewall.load(sample);
  const arrive = (on: string, destination: string, port: number) =>
    judge({ ...tcp, direction: "in", interface: on, source: "203.0.113.5", destination, port }).packet;
  assert.equal(arrive("em0", "198.51.100.1", 9004).port, 94);
  assert.equal(arrive("em1", "198.51.100.9", 9004).port, 94);
  assert.equal(arrive("em0", "198.51.100.1", 8080).port, 80);
  assert.equal(arrive("em1", "198.51.100.9", 8080).port, 8080);
  assert.equal(arrive("em0", "198.51.100.9", 8080).port, 8080);
});

test("of a network that is logged each rule that blocks has a twin before it, which logs and says the same of its addresses", () => {
  const [root] = anchorsOf(policyOf([loopback, { ...secluded, log: true }], []));
  assert.deepEqual(root?.tables?.logged, ["10.4.0.0/16"]);
  assert.deepEqual(root?.tables?.logged_internal, ["10.4.0.0/16"]);
  const filter = root?.rules?.filter ?? [];
  const logging = filter.filter(({ log }) => log);
  assert.deepEqual(
    [...new Set(logging.map(({ label }) => label))].map((label) => label?.replace("klee: ", "")),
    ["nobody has it", "not from outside", "internal", "isolation", "not published"],
  );
  for (const rule of logging) {
    const { log: _, source: from, destination: to, ...rest } = rule;
    assert.match(JSON.stringify([from, to]), /"logged(_internal)?"/);
    const plain = filter.find((other) => other.label === rule.label && !other.log) ?? assert.fail();
    const { source: _from, destination: _to, ...alike } = plain;
    assert.deepEqual(rest, alike, "the same but for its ends");
    assert.ok(filter.indexOf(plain) > filter.indexOf(rule));
  }
  const { restrict } = planChange({ add: { networks: [{ ...secluded, log: true }] } });
  assert.deepEqual(
    restrict.map(({ table }) => table),
    ["containers", "internal", "logged", "logged_internal"],
  );
});
