/** As calls.test.ts, for pf: as release 14 and as release 15, which lost some of the requests. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { pf } from "../../../src/ffi/freebsd/index.ts";
import { useStandIn } from "./stand-in.ts";

const standIn = useStandIn("stand-in-pf.c");
const setRelease = standIn.func("void stand_in_release(int number)") as (number: number) => void;
const setBusy = standIn.func("void stand_in_busy(int times)") as (times: number) => void;
const setListing = standIn.func("void stand_in_listing(int on)") as (on: number) => void;
const opened = standIn.func("int stand_in_opened()") as () => number;
const commits = standIn.func("int stand_in_commits()") as () => number;
const stateCount = standIn.func("int stand_in_states()") as () => number;
const skipCleared = standIn.func("int stand_in_skip_cleared()") as () => number;
const reloadMain = standIn.func("void stand_in_reload_main()") as () => void;
const addState = standIn.func("void stand_in_add_state(uint64_t id, void *wire, void *stack)") as (
  id: number,
  wire: Buffer,
  stack: Buffer,
) => void;

afterEach(() => assert.equal(opened(), 0, "pf is closed"));

const block: pf.PfRule = {
  action: "block",
  quick: true,
  source: { address: { table: "own" } },
  destination: { address: { network: "10.2.3.0/24" }, not: true, ports: { first: 20, last: 30 } },
  family: 4,
  protocol: pf.IPPROTO_TCP,
  answer: "prohibited",
  label: "no",
};
const rdr: pf.PfRule = {
  action: "rdr",
  interface: "em0",
  family: 6,
  protocol: pf.IPPROTO_UDP,
  destination: { address: { interface: "em0" }, ports: { first: 53, last: 53 } },
  tag: "in",
  target: { address: { network: "fd00::1" }, ports: { first: 5353, last: 5353 } },
};

for (const release of [14, 15]) {
  test(`rules and tables of an anchor, as release ${release}`, () => {
    setRelease(release);
    pf.withPf((device) => {
      assert.equal(pf.isRunning(device), false);
      pf.start(device);
      pf.start(device);
      assert.equal(pf.isRunning(device), true);
      pf.replaceAnchors(device, [
        { anchor: "a", rules: { filter: [block, block], rdr: [rdr] }, tables: { own: ["10.2.3.0/24", "fd00::/64"] } },
        { anchor: "a/b", rules: { filter: [{ action: "pass", label: "inner" }] } },
      ]);
      assert.deepEqual(pf.childAnchors(device, "a"), ["b"]);
      assert.deepEqual(pf.childAnchors(device, "nosuch"), []);
      assert.equal(pf.ruleCount(device, "a", "filter"), 1, "an equal rule is taken once");
      assert.equal(pf.ruleCount(device, "nosuch", "filter"), 0);
      const [read] = pf.readRules(device, "a", "filter");
      if (release === 14) assert.deepEqual(read?.rule, block);
      assert.deepEqual([read?.rule?.action, read?.rule?.label, read?.anchorCall], ["block", "no", ""]);
      assert.deepEqual(pf.tableNames(device, "a"), ["own"]);
      pf.addAddresses(device, "a", "own", ["192.0.2.1", "10.2.3.0/24"]);
      pf.deleteAddresses(device, "a", "own", ["fd00::/64"]);
      assert.deepEqual(pf.tableAddresses(device, "a", "own"), ["10.2.3.0/24", "192.0.2.1"]);
      pf.replaceAddresses(device, "a", "own", ["::1"]);
      assert.deepEqual(pf.tableAddresses(device, "a", "own"), ["::1"]);
      assert.throws(() => pf.addAddresses(device, "a", "other", ["::1"]), {
        message: "DIOCRADDADDRS a <other>: ESRCH (No such process)",
      });
      pf.createTable(device, "a/c", "later");
      assert.deepEqual(pf.tableAddresses(device, "a/c", "later"), []);
      for (const anchor of ["a/c", "a/b", "a"]) {
        pf.replaceAnchors(device, [{ anchor, rules: { filter: [], rdr: [] } }]);
        pf.clearTables(device, anchor);
      }
      assert.deepEqual(pf.tableNames(device, "a"), []);
      assert.deepEqual(pf.childAnchors(device, "a"), []);
      pf.stop(device);
    });
  });

  test(`the main ruleset calls an anchor, and keeps its own rules, as release ${release}`, () => {
    setRelease(release);
    pf.withPf((device) => {
      const own: pf.PfRule = { action: "pass", label: "the administrator's" };
      pf.replaceAnchors(device, [{ anchor: "", rules: { filter: [own] } }]);
      assert.deepEqual(pf.missingCalls(device, "klee"), ["nat", "rdr", "filter"]);
      assert.deepEqual(pf.ensureCalls(device, "klee"), ["nat", "rdr", "filter"]);
      assert.deepEqual(pf.ensureCalls(device, "klee"), []);
      assert.deepEqual(
        pf.readRules(device, "", "filter").map(({ anchorCall, rule }) => [anchorCall, rule?.label]),
        [
          ["klee", undefined],
          ["", "the administrator's"],
        ],
      );
      pf.removeCalls(device, "klee");
      assert.deepEqual(
        pf.readRules(device, "", "filter").map(({ rule }) => rule?.label),
        ["the administrator's"],
      );
      pf.ensureCalls(device, "klee");
      reloadMain();
      assert.deepEqual(pf.missingCalls(device, "klee"), ["nat", "rdr", "filter"]);
    });
  });

  test(`the connections of an address end, on either side of a translation, as release ${release}`, () => {
    setRelease(release);
    const [own, host, other] = [Buffer.of(10, 2, 3, 1), Buffer.of(192, 0, 2, 1), Buffer.of(10, 2, 3, 2)] as const;
    addState(1, host, own);
    addState(2, own, own);
    addState(3, host, other);
    pf.withPf((device) => {
      assert.equal(pf.states(device).length, 3);
      pf.killStates(device, ["10.2.3.1", "fd00::1"]);
      assert.deepEqual(
        pf.states(device).map(({ id }) => id),
        [3n],
      );
      pf.killStates(device, []);
      assert.equal(stateCount(), 1);
      pf.killStates(device, ["10.2.3.2"]);
      assert.equal(stateCount(), 0);
      pf.filterInterfaces(device, "kleene0");
      assert.equal(skipCleared(), 0x100);
    });
  });
}

test("where the kernel lists no connections, those are ended that pf finds by their outer addresses", () => {
  setRelease(15);
  setListing(0);
  const [own, host] = [Buffer.of(10, 2, 3, 1), Buffer.of(192, 0, 2, 1)] as const;
  addState(1, own, own);
  addState(2, host, own);
  pf.withPf((device) => pf.killStates(device, ["10.2.3.1"]));
  assert.equal(stateCount(), 1);
  setListing(1);
  pf.withPf((device) => pf.killStates(device, ["10.2.3.1"]));
  assert.equal(stateCount(), 0);
});

test("a transaction that others disturb begins again; one that fails changes nothing", () => {
  setRelease(14);
  pf.withPf((device) => {
    const before = commits();
    setBusy(3);
    pf.replaceAnchors(device, [{ anchor: "a", rules: { filter: [block] }, tables: { own: [] } }]);
    assert.equal(commits() - before, 1);
    assert.throws(
      () => pf.replaceAnchors(device, [{ anchor: "a", rules: { filter: [], nat: [{ action: "nat", family: 4 }] } }]),
      { code: "EINVAL", call: "DIOCADDRULE" },
    );
    assert.equal(pf.ruleCount(device, "a", "filter"), 1);
  });
});

test("what cannot be encoded is refused before pf is asked", () => {
  pf.withPf((device) => {
    const before = commits();
    const refuse = (rule: pf.PfRule, name = "FieldError") =>
      assert.throws(() => pf.replaceAnchors(device, [{ anchor: "a", rules: { filter: [rule] } }]), { name });
    refuse({ action: "nat" });
    refuse({ action: "pass", label: "x".repeat(64) });
    refuse({ action: "pass", interface: "x".repeat(16) });
    refuse({ action: "pass", source: { address: { table: "x".repeat(32) } } });
    refuse({ action: "pass", source: { address: { network: "10.2.3.1/24" } } }, "AddressError");
    refuse({ action: "pass", family: 6, source: { address: { network: "10.2.3.1" } } }, "AddressError");
    refuse({ action: "pass", destination: { ports: { first: 0, last: 1 } } });
    refuse({ action: "pass", destination: { ports: { first: 2, last: 1 } } });
    assert.equal(commits(), before);
  });
});
