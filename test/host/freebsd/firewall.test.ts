/** klee's firewall against pf of a simulated kernel, through real calls. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DIOCXCOMMIT } from "../../../src/ffi/freebsd/abi/pf.ts";
import { kld, pf } from "../../../src/ffi/freebsd/index.ts";
import { FreebsdFirewall } from "../../../src/kleene/host/freebsd/firewall.ts";
import { anchorsOf, ROOT, UNHELD } from "../../../src/kleene/host/freebsd/rules.ts";
import { ANYWHERE, containerPolicy, type Policy, policyOf } from "../../../src/kleene/network/policy.ts";
import { SimulatedPf } from "../../support/simulated-pf.ts";
import { custom, database, loopback, neighbour, sample, secluded, web } from "./sample.ts";

const filter = new SimulatedPf(
  { em0: ["198.51.100.1"], lo0: ["127.0.0.1"], kleene0: ["10.2.3.1", "10.2.3.2"], kleene1: [], em1: ["172.16.0.1"] },
  false,
);
after(() => filter[Symbol.dispose]());
const commits = (act: () => void): number => filter.count(DIOCXCOMMIT, act);
const states = (): number => pf.withPf((device) => pf.states(device).length);
const firewall = new FreebsdFirewall();

/** Number of rules and sorted addresses of each anchor, as they are in the kernel. */
function inKernel(): Map<string, unknown> {
  filter.purge();
  return pf.withPf((device) => {
    const within = ["within", "pairs", "ports", "nat", "any"].flatMap((branch) =>
      pf.childAnchors(device, `${ROOT}/${branch}`).map((name) => `${ROOT}/${branch}/${name}`),
    );
    const content = (anchor: string) => ({
      rules: (["nat", "rdr", "filter"] as const).map((ruleset) => pf.ruleCount(device, anchor, ruleset)),
      tables: Object.fromEntries(
        pf.tableNames(device, anchor).map((name) => [name, pf.tableAddresses(device, anchor, name).sort()]),
      ),
    });
    return new Map([ROOT, UNHELD, ...within].sort().map((anchor) => [anchor, content(anchor)]));
  });
}

/** The same of a policy, as it is to be. */
function wanted(policy: Policy): Map<string, unknown> {
  const content = ({ rules = {}, tables = {} }: pf.PfAnchor) => ({
    rules: (["nat", "rdr", "filter"] as const).map((ruleset) => rules[ruleset]?.length ?? 0),
    tables: Object.fromEntries(Object.entries(tables).map(([name, addresses]) => [name, [...addresses].sort()])),
  });
  return new Map(
    anchorsOf(policy, ["em0", "em1"])
      .sort((a, b) => (a.anchor < b.anchor ? -1 : 1))
      .map((anchor) => [anchor.anchor, content(anchor)]),
  );
}

test("pf that does not filter is refused, with what to do", () => {
  assert.equal(firewall.loaded(), false);
  assert.throws(() => firewall.load(sample), {
    code: "UNSUPPORTED",
    message:
      "pf does not filter, so containers would not be isolated; enable it with `sysrc pf_enable=YES` and `service pf start`",
  });
  pf.withPf(pf.start);
});

test("a policy is loaded in one transaction, and again without what is no longer in it", () => {
  assert.equal(
    commits(() => firewall.load(sample)),
    1,
  );
  assert.equal(firewall.loaded(), true);
  assert.deepEqual(inKernel(), wanted(sample));
  const less = policyOf([loopback], [web]);
  firewall.load(less);
  assert.deepEqual(inKernel(), wanted(less));
});

test("what is added and removed step by step is what is loaded at once", () => {
  firewall.load(policyOf([], []));
  for (const network of [loopback, secluded, custom]) firewall.change({ add: { networks: [network] } });
  const one = { ...database, attachments: database.attachments.slice(0, 1) };
  for (const container of [web, one, neighbour]) firewall.change({ add: containerPolicy(container) });
  firewall.change({ remove: containerPolicy(one), add: containerPolicy(database) });
  assert.deepEqual(inKernel(), wanted(sample));
  for (const container of [web, database, neighbour]) firewall.change({ remove: containerPolicy(container) });
  assert.deepEqual(
    inKernel().get(`${ROOT}/within/${custom.id}`),
    wanted(policyOf([custom], [])).get(`${ROOT}/within/${custom.id}`),
  );
  for (const network of [loopback, secluded, custom]) firewall.change({ remove: { networks: [network] } });
  const left = inKernel();
  left.delete(`${ROOT}/nat/em0`);
  assert.deepEqual(left, wanted(policyOf([], [])), "but the rules of an interface, which translate no one");
});

test("one more container is one small change", () => {
  firewall.load(sample);
  const next = { ...web, id: "0123456789ab", attachments: [{ network: loopback, ipv4: "10.2.3.9", ipv6: "" }] };
  assert.equal(
    commits(() => firewall.change({ add: containerPolicy(next) })),
    1,
  );
  firewall.change({ remove: containerPolicy(next) });
  assert.deepEqual(inKernel(), wanted(sample));
});

test("the rules of translation are not loaded anew with each container, but where they are missing", () => {
  firewall.load(sample);
  const attachments = [{ network: loopback, ipv4: "10.2.3.9", ipv6: "" }];
  const plain = containerPolicy({ ...web, id: "0123456789ab", attachments, ports: [] });
  const add = () => firewall.change({ add: plain });
  assert.equal(commits(add), 0);
  pf.withPf((device) => {
    pf.replaceAnchors(device, [{ anchor: `${ROOT}/nat/em0`, rules: { nat: [] }, tables: {} }]);
    pf.clearTables(device, `${ROOT}/nat/em0`);
  });
  assert.equal(commits(add), 1);
  firewall.change({ remove: plain });
  const { anchor, rules } = anchorsOf(sample, ["em0", "em1"]).find((one) => one.anchor === `${ROOT}/nat/em0`) ?? {};
  const ofNat = (inKernel().get(anchor ?? "") as { rules: number[] }).rules;
  assert.deepEqual(ofNat, [rules?.nat?.length, 0, 0]);
});

test("connections of an address that is withdrawn end; those of one that stays do not", () => {
  for (const source of ["10.2.3.1", "10.2.3.2"])
    filter.judge({ direction: "out", interface: "em0", protocol: 6, source, destination: "203.0.113.5", port: 443 });
  assert.equal(states(), 2);
  firewall.change({ remove: containerPolicy(web), add: containerPolicy(web) });
  assert.equal(states(), 2);
  assert.deepEqual(filter.dropped(), []);
  firewall.change({ remove: containerPolicy(web) });
  assert.equal(states(), 1);
  assert.deepEqual(
    filter.dropped(),
    ["203.0.113.5 443 to 10.2.3.1 40000", "10.2.3.1 40000 to 203.0.113.5 443"],
    "either end may be the host's",
  );
});

test("a connection that begins after the rules went ends when the address is withdrawn", () => {
  firewall.change({ remove: containerPolicy(web) });
  const before = filter.dropped().length;
  filter.judge({
    direction: "out",
    interface: "em0",
    protocol: 6,
    source: "10.2.3.1",
    destination: "203.0.113.5",
    port: 443,
  });
  assert.equal(states(), 2);
  firewall.endConnections(["10.2.3.1"]);
  assert.equal(states(), 1, "of 10.2.3.2, which stays");
  assert.equal(filter.dropped().length, before + 2);
});

test("connections to a published port that are older than it end, and no others", () => {
  firewall.load(policyOf([loopback], []));
  filter.forget();
  const to = (port: number, protocol: number, more: object = {}) =>
    filter.judge({
      direction: "in",
      interface: "em0",
      protocol,
      source: "203.0.113.5",
      sourcePort: 5000,
      destination: "198.51.100.1",
      port,
      ...more,
    });
  // The administrator's own rules let them in, and remember them.
  filter.reloadMain({ filter: [{ action: "pass", keepState: true }] });
  pf.withPf((device) => pf.ensureCalls(device, ROOT));
  to(9000, pf.IPPROTO_UDP);
  to(9010, pf.IPPROTO_UDP);
  to(8080, pf.IPPROTO_TCP);
  to(8080, pf.IPPROTO_TCP, { sourcePort: 5001 });
  const answer = { source: "198.51.100.1", sourcePort: 8080, destination: "203.0.113.5", port: 5001 } as const;
  assert.equal(to(0, pf.IPPROTO_TCP, { ...answer, direction: "out" }).passed, true);
  assert.equal(states(), 4);
  const udp = web.ports.map((port) => (port.hostPort.first === 9000 ? { ...port, protocol: "udp" as const } : port));
  firewall.change({ add: containerPolicy({ ...web, ports: udp }) });
  assert.deepEqual(
    pf.withPf((device) => pf.states(device).map(({ wire }) => `${wire.from.port} ${wire.to.port}`)).sort(),
    ["5000 9010", "5001 8080"],
    "what goes elsewhere, and what a program of the host has accepted",
  );
  assert.equal(to(9000, pf.IPPROTO_UDP).packet.destination, "10.2.3.1");
  firewall.change({ remove: containerPolicy({ ...web, ports: udp }) });
  to(9000, pf.IPPROTO_UDP);
  firewall.load(policyOf([loopback], [{ ...web, ports: udp }]));
  assert.equal(to(9000, pf.IPPROTO_UDP).packet.destination, "10.2.3.1", "nor do those go on that a load finds");
  filter.forget();
});

test("connections with a network's addresses that are older than it end", () => {
  firewall.load(policyOf([loopback], []));
  filter.reloadMain({ filter: [{ action: "pass", keepState: true }] });
  const packet = { direction: "in", interface: "em0", protocol: 6, source: "203.0.113.5", port: 22 } as const;
  for (const destination of ["10.4.0.9", "10.99.0.9"]) filter.judge({ ...packet, destination });
  assert.equal(states(), 2);
  firewall.change({ add: { networks: [secluded] } });
  assert.equal(states(), 1);
  filter.forget();
  firewall.load(sample);
});

test("whether what is loaded is what a policy says, no less and no more", () => {
  firewall.load(sample);
  assert.equal(firewall.agrees(sample), true);
  assert.equal(firewall.agrees(policyOf([loopback], [web])), false);
  firewall.change({ remove: containerPolicy(web) });
  assert.equal(firewall.agrees(sample), false);
  firewall.change({ add: containerPolicy(web) });
  assert.equal(firewall.agrees(sample), true);
  pf.withPf((device) => pf.addAddresses(device, `${ROOT}/within/${loopback.id}`, "members", ["10.0.0.0/8"]));
  assert.equal(firewall.agrees(sample), false);
  firewall.load(sample);
  assert.equal(firewall.agrees(sample), true);
});

test("when the administrator loads pf.conf the calls are missed, and added again", () => {
  filter.reloadMain();
  assert.equal(firewall.loaded(), false);
  firewall.load(sample);
  assert.equal(firewall.loaded(), true);
});

test("`set skip on lo` at a load of pf.conf is seen, and taken back by the next change", () => {
  const other = { direction: "in", interface: "kleene0", protocol: 6, source: "10.4.0.9", port: 22 } as const;
  const isRefused = () => {
    filter.forget();
    return !filter.judge({ ...other, destination: "10.2.3.2" }).passed;
  };
  assert.equal(isRefused(), true);
  for (const repair of [() => firewall.load(sample), () => firewall.change({ add: containerPolicy(web) })]) {
    filter.skip("lo");
    assert.equal(isRefused(), false, "another network's container gets in");
    assert.equal(firewall.loaded(), false);
    repair();
    assert.equal(firewall.loaded(), true);
    assert.equal(isRefused(), true);
  }
});

test("anchors that pf lists still, though nothing is in them, are emptied again or filled", () => {
  firewall.unload();
  const listed = pf.withPf((device) => pf.childAnchors(device, `${ROOT}/within`));
  assert.ok(listed.length > 0, "their rules named tables");
  firewall.unload();
  firewall.load(sample);
  assert.deepEqual(inKernel(), wanted(sample));
});

test("what leaves is translated by each interface; one that comes later is missed, and added", () => {
  const anywhere = { ...loopback, nat: ANYWHERE };
  firewall.load(policyOf([anywhere], []));
  filter.forget();
  const leaving = (by: string) => {
    filter.forget();
    return filter.judge({
      direction: "out",
      interface: by,
      protocol: 6,
      source: "10.2.3.1",
      destination: "203.0.113.5",
      port: 443,
    }).packet.source;
  };
  assert.deepEqual([leaving("em0"), leaving("em1")], ["198.51.100.1", "172.16.0.1"]);
  assert.equal(firewall.loaded(), true);
  // As if em1 had come, or got this name, since.
  pf.withPf((device) => {
    pf.replaceAnchors(device, [{ anchor: "klee/any/em1", rules: { nat: [] } }]);
    pf.clearTables(device, "klee/any/em1");
  });
  assert.equal(firewall.loaded(), false);
  filter.forget();
  assert.equal(leaving("em1"), "10.2.3.1");
  firewall.load(policyOf([anywhere], []));
  assert.equal(firewall.loaded(), true);
  filter.forget();
  assert.equal(leaving("em1"), "172.16.0.1");
  firewall.load(sample);
});

for (const looked of [false, true])
  test(`pf's module goes and comes back: its device is opened again${looked ? ", also if others did before" : ""}`, () => {
    firewall.load(sample);
    filter.unload();
    assert.equal(firewall.loaded(), false);
    assert.throws(() => firewall.load(sample), { code: "UNSUPPORTED", message: /^pf is not loaded/ });
    kld.loadModule("pf");
    pf.withPf(pf.start);
    firewall.load(sample);
    assert.equal(firewall.loaded(), true);
    // Between two calls of one command, the device being open.
    filter.unload();
    kld.loadModule("pf");
    if (looked) pf.withPf(pf.start);
    // Asked through the new device: pf begins switched off.
    else assert.throws(() => firewall.load(sample), { code: "UNSUPPORTED", message: /^pf does not filter/ });
    pf.withPf(pf.start);
    firewall.load(sample);
    assert.equal(firewall.loaded(), true);
  });

test("nothing is left when the rules are removed", () => {
  firewall.unload();
  filter.purge();
  assert.equal(firewall.loaded(), false);
  pf.withPf((device) => {
    assert.deepEqual(pf.missingCalls(device, ROOT), ["nat", "rdr", "filter"]);
    assert.deepEqual(pf.childAnchors(device, ROOT), []);
    assert.deepEqual(pf.tableNames(device, ROOT), []);
    assert.equal(pf.ruleCount(device, ROOT, "filter"), 0);
  });
});
