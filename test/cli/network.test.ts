import { strict as assert } from "node:assert";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { GATEWAY_INTERFACE, Machine } from "../support/machine.ts";

const gate = needs("root", "cgroup2", "libnftables", "nft", "ip");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

/** The one line that klee printed on stderr. */
function refused(args: readonly string[], status: number, message: RegExp | string): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.equal(result.stdout, "");
  const lines = result.stderr.trimEnd().split("\n");
  assert.match(
    lines[0] ?? "",
    typeof message === "string" ? new RegExp(message.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")) : message,
  );
  assert(lines.length <= 2, result.stderr);
  assert.doesNotMatch(result.stderr, /\n\s+at /, "no stack trace");
}

function create(...args: string[]): string {
  const { status, stdout, stderr } = machine.klee(["network", "create", ...args]);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test("a network is an interface of klee's own, rules, and a row", gate, () => {
  const id = create("--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "one");
  assert.match(id, /^[0-9a-f]{12}$/);
  const [link] = JSON.parse(machine.run("ip", "-j", "-d", "link", "show", "kleene0"));
  assert(link.flags.includes("UP"));
  assert.match(link.ifalias, new RegExp(id));
  const { network } = JSON.parse(machine.klee(["isn", "one"]).stdout);
  assert.equal(network.nat, GATEWAY_INTERFACE);
  assert.equal(network.subnet6, "fd00:2:3::/64");
  assert.match(machine.run("nft", "list", "ruleset"), /set masqueraded4 \{[^}]*elements = \{ 10\.2\.3\.0\/24 \}/);
  assert.match(machine.run("nft", "list", "ruleset"), /set masqueraded6 \{[^}]*elements = \{ fd00:2:3::\/64 \}/);
  assert.equal(machine.klee(["network", "rm", "one"]).stdout.trim(), id);
  assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene/);
  assert.equal(machine.run("nft", "list", "tables"), "");
});

test("the interface is the lowest free one, and never one that exists", gate, () => {
  machine.run("ip", "link", "add", "kleene0", "type", "bridge");
  create("--subnet", "10.3.0.0/24", "low");
  assert.match(machine.klee(["isn", "low"]).stdout, /"interface": "kleene1"/);
  refused(
    ["network", "create", "-i", "kleene0", "--subnet", "10.3.1.0/24", "x"],
    1,
    "interface kleene0 exists already",
  );
  refused(
    ["network", "create", "-i", "kleene1", "--subnet", "10.3.1.0/24", "x"],
    1,
    "interface kleene1 exists already",
  );
  create("-i", "mynet0", "--subnet", "10.3.1.0/24", "named");
  assert.match(machine.run("ip", "-o", "link"), /mynet0/);
  machine.klee(["rmn", "low", "named"]);
  assert.match(machine.run("ip", "-o", "link"), /kleene0/, "the stranger's interface is left alone");
  machine.run("ip", "link", "delete", "kleene0");
});

test("nat, icc and internal are as asked for", gate, () => {
  create("--subnet", "10.4.0.0/24", "--nat=false", "--icc=no", "shut");
  const { network } = JSON.parse(machine.klee(["isn", "shut"]).stdout);
  assert.deepEqual([network.nat, network.icc, network.internal], ["", false, false]);
  create("--subnet", "10.4.1.0/24", "--internal", "inner");
  const inner = JSON.parse(machine.klee(["isn", "inner"]).stdout).network;
  assert.deepEqual([inner.nat, inner.icc, inner.internal], ["", true, true]);
  refused(
    ["network", "create", "--subnet", "10.4.2.0/24", "--nat-if", "nosuch0", "x"],
    1,
    /nosuch0.*no such interface/,
  );
  machine.klee(["rmn", "shut", "inner"]);
});

test("malformed subnets are usage errors that say what is wrong", gate, () => {
  const bad = (subnet: string, message: string | RegExp): void =>
    refused(["network", "create", "--subnet", subnet, "x"], 2, message);
  bad("172.18.0.0-16", 'invalid subnet: could not parse cidr block: "172.18.0.0-16"');
  bad("10.2.3.1/24", "10.2.3.1/24 has host bits set; the network is 10.2.3.0/24");
  bad("10.2.3.0/33", "could not parse");
  bad("10.2.3.0", "could not parse");
  bad("fd00::/64", /wrong IP protocol/);
  bad("127.0.0.0/8", /loopback/);
  bad("224.0.0.0/24", /multicast/);
  bad("0.0.0.0/0", /every address/);
  refused(["network", "create", "--subnet6", "10.0.0.0/8", "x"], 2, /invalid subnet6: .*wrong IP protocol/);
  refused(["network", "create", "--subnet6", "fe80::/64", "x"], 2, /link-local/);
  refused(["network", "create", "x"], 2, /give --subnet, --subnet6 or both/);
  refused(["network", "create", "--subnet", "10.2.3.0/24", "-t", "bogus", "x"], 2, /unknown network type "bogus"/);
  refused(["network", "create", "--subnet", "10.2.3.0/24", "--", "-x"], 2, /invalid network name/);
  refused(["network", "create", "--subnet", "10.2.3.0/24", "--icc=maybe", "x"], 2, /icc/);
  assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene/, "nothing was made");
});

test("overlaps and taken names are refused", gate, () => {
  create("--subnet", "10.5.0.0/16", "wide");
  refused(
    ["network", "create", "--subnet", "10.5.7.0/24", "x"],
    1,
    "subnet 10.5.7.0/24 overlaps 10.5.0.0/16 of network wide",
  );
  refused(["network", "create", "--subnet", "10.6.0.0/24", "wide"], 1, "network name is already taken: wide");
  refused(
    ["network", "create", "--subnet", "192.0.2.0/25", "x"],
    1,
    /overlaps 192\.0\.2\.2\/24 of the host's interface em0/,
  );
  assert.equal(machine.klee(["lsn", "-q"]).stdout.trim().split("\n").length, 1);
  machine.klee(["rmn", "wide"]);
});

test("unknown and ambiguous ids", gate, () => {
  refused(["network", "inspect", "nosuch"], 1, "network not found: nosuch");
  refused(["network", "rm", "nosuch"], 1, "network not found: nosuch");
  const ids: string[] = [];
  const shared = (): string | undefined =>
    ids.map((id) => id.slice(0, 1)).find((digit, index, all) => all.indexOf(digit) !== index);
  // Seventeen ids cannot all begin with another hex digit.
  for (let number = 0; shared() === undefined; number += 1)
    ids.push(create("--nat=false", "--subnet", `10.7.${number}.0/24`, `n${number}`));
  const prefix = shared() ?? "";
  const candidates = ids.filter((id) => id.startsWith(prefix)).sort();
  refused(["network", "inspect", prefix], 1, new RegExp(`ambiguous: ${candidates.join(" \\(n\\d+\\), ")}`));
  const [first = ""] = ids;
  assert.match(machine.klee(["network", "inspect", first.slice(0, 11)]).stdout, new RegExp(first));
  assert.equal(machine.klee(["network", "prune", "-f"]).stdout.trim().split("\n").length, ids.length);
});

test("listings: a table, ids alone, JSON", gate, () => {
  const id = create("--subnet", "10.8.0.0/24", "listed");
  assert.match(
    machine.klee(["lsn"]).stdout,
    new RegExp(`^ ID +NAME +TYPE +SUBNET.*\n─+\n ${id} +listed +loopback +10\\.8\\.0\\.0/24`),
  );
  assert.equal(machine.klee(["lsn", "-q"]).stdout, `${id}\n`);
  assert.equal(JSON.parse(machine.klee(["lsn", "--format", "json"]).stdout).name, "listed");
  machine.klee(["rmn", "listed"]);
});

test("parallel creation hands out no interface and no name twice", gate, async () => {
  const runs = Array.from({ length: 8 }, (_, n) =>
    machine.startKlee(["network", "create", "--nat=false", "--subnet", `10.9.${n}.0/24`, `p${n}`]),
  );
  const statuses = await Promise.all(runs.map(({ ended }) => ended));
  assert.deepEqual(statuses, Array(8).fill(0), runs.map(({ output }) => output()).join(""));
  const names = JSON.parse(machine.run("ip", "-j", "link")).map(({ ifname }: { ifname: string }) => ifname);
  assert.equal(names.filter((name: string) => name.startsWith("kleene")).length, 8);
  assert.equal(machine.klee(["network", "prune", "-f"]).status, 0);
  assert.equal(machine.run("nft", "list", "tables"), "");
});
