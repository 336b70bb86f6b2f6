/** The host changes under its networks: routes move, interfaces get other names, come and go. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, Machine, OUTSIDE, OUTSIDE6 } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
let agents: Agents;

const ip = (...args: string[]): string => machine.run("ip", ...args);
const check = (): string => machine.klee(["system", "check"]).stdout;
const inspected = (name: string) => JSON.parse(ok("isn", name)).network;

/** A second way out, em1, to the same outside. */
const GATEWAY2 = "198.51.100.2";
const OUTSIDE2 = "198.51.100.1";
/** An address that is behind either. */
const FAR = "203.0.113.7";
const FAR6 = "2001:db8:f::7";

before(() => {
  agents = new Agents(machine);
  const outside = (...args: string[]): string => machine.runOutside("ip", ...args);
  ip("link", "add", "em1", "type", "veth", "peer", "name", "out1", "netns", String(machine.outsidePid));
  ip("address", "add", `${GATEWAY2}/24`, "dev", "em1");
  ip("-6", "address", "add", "2001:db8:2::2/64", "dev", "em1", "nodad");
  ip("link", "set", "em1", "up");
  outside("address", "add", `${OUTSIDE2}/24`, "dev", "out1");
  outside("-6", "address", "add", "2001:db8:2::1/64", "dev", "out1", "nodad");
  outside("link", "set", "out1", "up");
  outside("address", "add", `${FAR}/32`, "dev", "lo");
  outside("-6", "address", "add", `${FAR6}/128`, "dev", "lo", "nodad");
  agents.outside("far", 4000, FAR, FAR6);
  agents.outside("outside", 4000, OUTSIDE, OUTSIDE6, OUTSIDE2);
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
});

afterEach(() => {
  for (const id of ok("lsc", "-a", "-q").split("\n").filter(Boolean)) ok("rmc", "-f", id);
  toGateway("em0", OUTSIDE, OUTSIDE6);
});

function toGateway(device: string, four: string, six: string): void {
  ip("route", "replace", "default", "via", four, "dev", device);
  ip("-6", "route", "replace", "default", "via", six, "dev", device);
}

const container = (...options: readonly string[]): void =>
  agents.inContainer("a", ["-n", "net", ...options], 4000, "10.2.3.1", "fd00:2:3::1");

test("whatever a packet leaves by, it is translated; nothing has to be reloaded", gate, async () => {
  assert.equal(inspected("net").nat, "em0");
  container();
  const seen = async (): Promise<string[]> => [
    await agents.ask("a", "tcp", FAR, 4000),
    await agents.ask("a", "udp", FAR6, 4000),
  ];
  assert.deepEqual(await seen(), [`ok ${GATEWAY}`, "ok 2001:db8::2"]);
  toGateway("em1", OUTSIDE2, "2001:db8:2::1");
  assert.deepEqual(await seen(), [`ok ${GATEWAY2}`, "ok 2001:db8:2::2"], "the default route moved");
  assert.equal(inspected("net").nat, "em1");
  toGateway("em0", OUTSIDE, OUTSIDE6);
  ip("route", "add", "default", "via", OUTSIDE2, "dev", "em1", "table", "77");
  ip("rule", "add", "to", FAR, "lookup", "77");
  assert.equal(await agents.ask("a", "tcp", FAR, 4000), `ok ${GATEWAY2}`, "a VPN by routing rules");
  ip("rule", "del", "to", FAR, "lookup", "77");
  ip("route", "flush", "table", "77");
  assert.equal(check(), "");
});

test("a network that was made before there was any route", gate, async () => {
  ip("route", "del", "default");
  ip("-6", "route", "del", "default");
  ok("network", "create", "--subnet", "10.2.5.0/24", "early");
  assert.equal(inspected("early").nat, "*");
  toGateway("em0", OUTSIDE, OUTSIDE6);
  agents.inContainer("b", ["-n", "early"], 4000, "10.2.5.1");
  assert.equal(await agents.ask("b", "tcp", FAR, 4000), `ok ${GATEWAY}`);
  ok("rmc", "-f", "b");
  ok("rmn", "early");
});

test("--nat-if: by that interface alone, whatever it is called", gate, async () => {
  ok("network", "create", "--subnet", "10.2.6.0/24", "--nat-if", "em1", "named");
  agents.inContainer("b", ["-n", "named"], 4000, "10.2.6.1");
  toGateway("em1", OUTSIDE2, "2001:db8:2::1");
  assert.equal(await agents.ask("b", "tcp", FAR, 4000), `ok ${GATEWAY2}`);
  ip("link", "set", "em1", "down");
  ip("link", "set", "em1", "name", "wan1");
  ip("link", "set", "wan1", "up");
  ip("-6", "address", "replace", "2001:db8:2::2/64", "dev", "wan1", "nodad");
  toGateway("wan1", OUTSIDE2, "2001:db8:2::1");
  assert.match(check(), /interface em1 is called wan1 now; klee system reconcile follows it/);
  assert.match(ok("system", "reconcile"), /interface em1 is called wan1 now: followed it/);
  assert.equal(inspected("named").nat, "wan1");
  assert.equal(await agents.ask("b", "tcp", FAR, 4000), `ok ${GATEWAY2}`);
  assert.equal(check(), "");
  ip("link", "set", "wan1", "down");
  ip("link", "set", "wan1", "name", "em1");
  ip("link", "set", "em1", "up");
  ip("-6", "address", "replace", "2001:db8:2::2/64", "dev", "em1", "nodad");
  ok("system", "reconcile");
  assert.equal(inspected("named").nat, "em1");
  ok("rmc", "-f", "b");
  ok("rmn", "named");
});

test("published ports go with the default route, at the next start or by reconcile; check tells", gate, async () => {
  container("-p", "8080:4000");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  toGateway("em1", OUTSIDE2, "2001:db8:2::1");
  assert.match(check(), /container a: its ports are published on em0, and the default route is by em1 now/);
  assert.equal(await agents.ask("outside", "tcp", GATEWAY2, 8080), "ECONNREFUSED");
  assert.match(
    ok("system", "reconcile"),
    /container a: published on em1, where the default route is, no longer on em0/,
  );
  assert.match(await agents.ask("outside", "tcp", GATEWAY2, 8080), /^ok /);
  assert.equal(await agents.ask("outside", "tcp", GATEWAY, 8080), "ECONNREFUSED");
  assert.equal(check(), "");
  ok("stop", "a");
  toGateway("em0", OUTSIDE, OUTSIDE6);
  agents.restart("a");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  assert.equal(ok("container", "port", "a"), "4000/tcp -> em0:8080\n");
  assert.equal(check(), "");
});

test("an interface of the user's that has another name is followed, with all that names it", gate, async () => {
  ok("network", "create", "-t", "custom", "-i", "em1", "--subnet", "198.51.100.0/24", "lan");
  agents.inContainer("b", ["-n", "lan", "--ip", "198.51.100.50"], 4000, "198.51.100.50");
  container("-p", "em1:8081:4000");
  assert.match(await agents.ask("outside", "tcp", GATEWAY2, 8081), /^ok /);
  ip("link", "set", "em1", "down");
  ip("link", "set", "em1", "name", "lan1");
  ip("link", "set", "lan1", "up");
  assert.equal(await agents.ask("outside", "tcp", GATEWAY2, 8081), "ECONNREFUSED");
  ok("stop", "b");
  assert.doesNotMatch(
    ip("-o", "address", "show", "dev", "lan1"),
    /198\.51\.100\.50/,
    "its address went, by whatever name",
  );
  agents.restart("b");
  assert.match(
    ip("-o", "address", "show", "dev", "lan1"),
    /198\.51\.100\.50\/32/,
    "a start repairs, as reconcile does",
  );
  assert.match(await agents.ask("outside", "tcp", GATEWAY2, 8081), /^ok /);
  assert.equal(inspected("lan").interface, "lan1");
  assert.equal(check(), "");
  ip("link", "set", "lan1", "down");
  ip("link", "set", "lan1", "name", "em1");
  ip("link", "set", "em1", "up");
  ok("system", "reconcile");
  assert.equal(inspected("lan").interface, "em1");
  ok("rmc", "-f", "b");
  ok("rmn", "lan");
});

test("two interfaces that exchanged their names", gate, () => {
  ip("link", "add", "x0", "type", "bridge");
  ip("link", "add", "x1", "type", "bridge");
  ok("network", "create", "-t", "custom", "-i", "x0", "--subnet", "10.70.0.0/24", "n0");
  ok("network", "create", "-t", "custom", "-i", "x1", "--subnet", "10.71.0.0/24", "n1");
  ip("link", "set", "x0", "name", "y");
  ip("link", "set", "x1", "name", "x0");
  ip("link", "set", "y", "name", "x1");
  ok("system", "reconcile");
  assert.deepEqual([inspected("n0").interface, inspected("n1").interface], ["x1", "x0"]);
  assert.equal(check(), "");
  ok("rmn", "n0", "n1");
  ip("link", "del", "x0");
  ip("link", "del", "x1");
});

test("klee's own interface with another name is klee's by its mark", gate, async () => {
  container();
  ip("link", "set", "kleene0", "name", "other0");
  assert.match(check(), /interface kleene0 is called other0 now/);
  ok("system", "reconcile");
  assert.doesNotMatch(ip("-o", "link"), /kleene0/, "no second one is made");
  assert.equal(inspected("net").interface, "other0");
  assert.equal(check(), "");
  ip("link", "set", "other0", "name", "kleene0");
  ok("run", "-n", "net", "agent", "true");
  assert.equal(inspected("net").interface, "kleene0");
  ip("link", "set", "kleene0", "name", "other0");
  ok("rmc", "-f", "a");
  assert.doesNotMatch(ip("-o", "address"), /10\.2\.3\.1\//, "its address goes, by whatever name");
  ok("network", "create", "--subnet", "10.2.7.0/24", "gone");
  ip("link", "set", inspected("gone").interface, "name", "other1");
  ok("rmn", "gone");
  assert.doesNotMatch(ip("-o", "link"), /other1/);
  ip("link", "set", "other0", "name", "kleene0");
  ok("system", "reconcile");
});

test(
  "an interface that is gone: a start makes klee's again, with all that was on it, and names the user's",
  gate,
  async () => {
    container();
    ip("link", "del", "kleene0");
    ok("run", "-n", "net", "agent", "true");
    assert.match(ip("-o", "address", "show", "dev", "kleene0"), /10\.2\.3\.1\/32/);
    assert.match(await agents.ask("a", "tcp", FAR, 4000), /^ok /);
    assert.equal(check(), "");
    ip("link", "add", "x0", "type", "bridge");
    ok("network", "create", "-t", "custom", "-i", "x0", "--subnet", "10.70.0.0/24", "n0");
    ok("create", "-n", "n0", "--name", "c", "agent", "true");
    ip("link", "del", "x0");
    const { status, stderr } = machine.klee(["start", "c"]);
    assert.equal(status, 1);
    assert.match(stderr, /interface x0 does not exist; see klee system reconcile/);
    assert.match(check(), /network n0: its interface x0 is missing/);
    ok("rmc", "c");
    ok("rmn", "n0");
  },
);

test("whatever of the rules is not in force is told, and put right", gate, async () => {
  container("-p", "8080:4000");
  assert.equal(check(), "");
  const table = /table inet (\S+)/.exec(machine.run("nft", "list", "tables"))?.[1] ?? "";
  const change = (...words: readonly string[]): string => machine.run("nft", words.join(" "));
  for (const [verb, set, element] of [
    ["delete", "masqueraded4", "10.2.3.0/24"],
    ["delete", "by_interface4", '"em0" . tcp . 8080'],
    ["add", "published4", "10.2.3.1 . tcp . 22"],
    ["add", "pairs4", "10.2.3.0/24 . 10.0.0.0/8"],
  ] as const) {
    change(verb, "element inet", table, set, `{ ${element} }`);
    assert.match(check(), /klee's firewall rules are not those that its networks and containers need/, set);
    ok("system", "reconcile");
    assert.equal(check(), "", set);
  }
});

test("name servers are those of each start; where there is none that containers reach, it is said", gate, () => {
  const file = join(machine.directory, "resolv.conf");
  const before = readFileSync(file, "utf8");
  const resolver = (...args: string[]): { stdout: string; stderr: string } => {
    const { status, stdout, stderr } = machine.klee(args);
    assert.equal(status, 0, stderr);
    return { stdout, stderr };
  };
  ok("create", "-n", "net", "--name", "c", "agent", "cat", "/etc/resolv.conf");
  assert.match(resolver("start", "c").stdout, new RegExp(`^nameserver ${OUTSIDE}$`, "m"));
  writeFileSync(file, "nameserver 203.0.113.53\n");
  assert.match(resolver("start", "c").stdout, /^nameserver 203\.0\.113\.53$/m);
  writeFileSync(file, "nameserver 127.0.0.53\n");
  const { stderr } = resolver("start", "c");
  assert.match(stderr, /^klee: warning: .*no name server that a container reaches/m);
  assert.doesNotMatch(resolver("run", "-l", "host", "agent", "true").stderr, /name server/);
  writeFileSync(file, before);
});
