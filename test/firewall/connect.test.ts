import { strict as assert } from "node:assert";
import { after, afterEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, GATEWAY6, Machine, OUTSIDE, OUTSIDE6, waitUntil } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
let agents: Agents;

function refused(args: readonly string[], status: number, message: RegExp): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, message);
}

const endpoints = (name: string): string[] =>
  JSON.parse(ok("isc", name)).container_endpoints.map(({ ip_address }: { ip_address: string }) => ip_address);
const network = (name: string): Record<string, unknown> => JSON.parse(ok("isn", name)).network;

before(() => {
  agents = new Agents(machine);
  agents.outside("outside", 4000, OUTSIDE, OUTSIDE6);
  agents.onHost("host", 4000, GATEWAY, GATEWAY6);
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "one");
  ok("network", "create", "--subnet", "10.2.4.0/24", "--subnet6", "fd00:2:4::/64", "two");
});

afterEach(() => {
  for (const id of ok("lsc", "-a", "-q").split("\n").filter(Boolean)) ok("rmc", "-f", id);
});

test("a running container is connected and disconnected at once, in both families", gate, async () => {
  agents.inContainer("a", ["-n", "one"], 4000, "0.0.0.0", "::");
  agents.inContainer("b", ["-n", "two"], 4000, "10.2.4.1", "fd00:2:4::1");
  const both = (protocol: "tcp" | "udp"): Promise<string[]> =>
    Promise.all(["10.2.4.1", "fd00:2:4::1"].map((address) => agents.ask("a", protocol, address, 4000)));
  assert.deepEqual(await both("tcp"), ["ECONNREFUSED", "ECONNREFUSED"]);
  assert.equal(ok("network", "connect", "two", "a"), "");
  assert.deepEqual(endpoints("a"), ["10.2.3.1", "10.2.4.2"]);
  // It is heard from its first address: the primary one is not changed by a further network.
  assert.deepEqual(await both("tcp"), ["ok 10.2.3.1", "ok fd00:2:3::1"]);
  assert.deepEqual(await both("udp"), ["ok 10.2.3.1", "ok fd00:2:3::1"]);
  assert.match(
    await agents.ask("b", "tcp", "10.2.4.2", 4000),
    /^ok /,
    "a listener on the wildcard hears there as well",
  );
  assert.match(await agents.ask("b", "tcp", "fd00:2:4::2", 4000), /^ok /);
  assert.equal(await agents.ask("b", "tcp", "10.2.3.1", 4000), "ECONNREFUSED", "the other networks stay apart");
  refused(["network", "connect", "two", "a"], 1, /container already connected to the network: a, two/);
  refused(["network", "connect", "--ip", "10.2.4.1", "two", "a"], 1, /already connected/);
  assert.equal(ok("network", "disconnect", "two", "a"), "");
  assert.deepEqual(await both("tcp"), ["ECONNREFUSED", "ECONNREFUSED"]);
  assert.doesNotMatch(machine.run("ip", "-o", "address"), /10\.2\.4\.2|fd00:2:4::2/);
  refused(["network", "disconnect", "two", "a"], 1, /container a is not connected to network two/);
  assert.equal(ok("system", "check"), "");
});

test("addresses for a connection: given ones, one family alone, checked", gate, () => {
  ok("create", "-n", "one", "--name", "a", "agent");
  ok("create", "-n", "two", "--name", "b", "--ip", "10.2.4.9", "agent");
  refused(["network", "connect", "--ip", "10.2.4.9", "two", "a"], 1, /10\.2\.4\.9 is already in use by container/);
  refused(["network", "connect", "--ip", "10.9.9.9", "two", "a"], 1, /outside 10\.2\.4\.0\/24/);
  refused(["network", "connect", "--ip", "x", "two", "a"], 2, /could not parse IPv4 address/);
  refused(["network", "connect", "two", "nosuch"], 1, /container not found: nosuch/);
  refused(["network", "connect", "nosuch", "a"], 1, /network not found: nosuch/);
  ok("network", "connect", "--ip", "10.2.4.50", "--ip6", "", "two", "a");
  assert.deepEqual(endpoints("a"), ["10.2.3.1", "10.2.4.50"]);
  ok("network", "disconnect", "one", "a");
  assert.deepEqual(endpoints("a"), ["10.2.4.50"]);
  ok("create", "-l", "host", "--name", "h", "agent");
  refused(["network", "connect", "two", "h"], 1, /'host' network-driver cannot connect to networks/);
});

test("a stopped container is connected when it starts next", gate, async () => {
  agents.inContainer("a", ["-n", "one"], 4000, "0.0.0.0");
  agents.inContainer("b", ["-n", "two"], 4000, "10.2.4.1");
  ok("stop", "a");
  ok("network", "connect", "two", "a");
  assert.doesNotMatch(machine.run("ip", "-o", "address"), /10\.2\.4\.2/);
  agents.restart("a");
  assert.match(await agents.ask("a", "tcp", "10.2.4.1", 4000), /^ok /);
});

test("a disconnected address and its published ports go to the next network's", gate, async () => {
  agents.inContainer("a", ["-n", "one", "-p", "8080:4000"], 4000, "0.0.0.0");
  ok("network", "connect", "two", "a");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  ok("network", "disconnect", "one", "a");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /, "now at its address in the other network");
  assert.doesNotMatch(machine.run("nft", "list", "ruleset"), /10\.2\.3\.1/);
  ok("network", "disconnect", "two", "a");
  assert.equal(await agents.ask("outside", "tcp", GATEWAY, 8080), "ECONNREFUSED");
});

test("klee killed while it connects and disconnects: the next command puts it right", gate, async () => {
  agents.inContainer("a", ["-n", "one"], 4000, "0.0.0.0");
  for (const pause of [60, 75, 90, 105, 120]) {
    for (const verb of ["connect", "disconnect"]) {
      const klee = machine.startKlee(["network", verb, "two", "a"]);
      await delay(pause);
      klee.child.kill("SIGKILL");
      await klee.ended;
      waitUntil(() => machine.klee(["system", "check"]).status === 0, "store and kernel to agree");
      const aliases = [...machine.run("ip", "-o", "-4", "address").matchAll(/inet (10\.2\.[34]\.\d+)\/32/g)];
      assert.deepEqual(aliases.map(([, address]) => address).sort(), endpoints("a").sort(), `${verb}, ${pause} ms`);
    }
    machine.klee(["network", "disconnect", "two", "a"]);
  }
});

test("bridge: the host has the gateway's address, which no container gets", gate, async () => {
  ok("network", "create", "-t", "bridge", "--subnet", "10.5.0.0/24", "--subnet6", "fd00:5::/64", "--icc=false", "br");
  const { gateway, gateway6, type } = network("br");
  assert.deepEqual([gateway, gateway6, type], ["10.5.0.1", "fd00:5::1", "bridge"]);
  agents.inContainer("a", ["-n", "br"], 4000, "10.5.0.2", "fd00:5::2");
  agents.onHost("gateway", 4000, "10.5.0.1", "fd00:5::1");
  for (const address of ["10.5.0.1", "fd00:5::1"]) assert.match(await agents.ask("a", "tcp", address, 4000), /^ok /);
  agents.inContainer("b", ["-n", "one"], 4000, "10.2.3.1");
  assert.equal(await agents.ask("b", "tcp", "10.5.0.1", 4000), "ECONNREFUSED", "not from another network");
  refused(["create", "-n", "br", "--ip", "10.5.0.1", "agent"], 1, /10\.5\.0\.1 is already in use, as the gateway/);
  machine.run("ip", "link", "delete", String(network("br").interface));
  ok("system", "reconcile");
  assert.match(machine.run("ip", "-o", "address"), /10\.5\.0\.1\/24/);
  assert.match(await agents.ask("a", "tcp", "10.5.0.1", 4000), /^ok |ECONNREFUSED/);
  refused(
    ["network", "create", "-t", "bridge", "--subnet", "10.6.0.0/24", "--gw", "10.7.0.1", "x"],
    2,
    /no address for a/,
  );
  refused(["network", "create", "--gw", "10.6.0.1", "--subnet", "10.6.0.0/24", "x"], 2, /has no gateway/);
  ok("create", "-n", "br", "--name", "last", "agent");
  ok("rmc", "-f", "a", "last");
  ok("rmn", "br");
});

test("custom: the user's interface and the host's addresses on it are left alone", gate, async () => {
  refused(["network", "create", "-t", "custom", "--subnet", "192.0.2.0/24", "lan"], 2, /give -i INTERFACE/);
  refused(
    ["network", "create", "-t", "custom", "-i", "nosuch0", "--subnet", "192.0.2.0/24", "lan"],
    1,
    /no interface nosuch0/,
  );
  ok("network", "create", "-t", "custom", "-i", "em0", "--nat=false", "--internal", "--subnet", "192.0.2.0/24", "lan");
  refused(["create", "-n", "lan", "--ip", GATEWAY, "agent"], 1, /is in use by the host's interface em0/);
  refused(
    ["network", "create", "-t", "custom", "-i", "em0", "--subnet", "192.0.9.0/24", "x"],
    1,
    /the one of network lan/,
  );
  agents.inContainer("a", ["-n", "lan", "--ip", "192.0.2.50", "-p", "8080:4000"], 4000, "192.0.2.50");
  agents.inContainer("b", ["-n", "lan", "--ip", "192.0.2.51"], 4000, "192.0.2.51");
  assert.match(await agents.ask("a", "tcp", "192.0.2.51", 4000), /^ok 192\.0\.2\.50/, "icc");
  assert.equal(await agents.ask("a", "tcp", OUTSIDE, 4000), "ECONNREFUSED", "no way out, not to the neighbours either");
  assert.equal(await agents.ask("a", "tcp", GATEWAY, 4000), "ECONNREFUSED", "nor to the host");
  assert.match(await agents.ask("host", "tcp", OUTSIDE, 4000), new RegExp(`^ok ${GATEWAY}`), "the host is as ever");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 4000), /^ok /);
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  assert.equal(await agents.ask("outside", "tcp", "192.0.2.50", 4000), "timeout");
  ok("rmc", "-f", "a");
  // An address that the host took meanwhile is the host's: klee neither uses nor removes it.
  ok("create", "-n", "lan", "--ip", "192.0.2.60", "--name", "c", "agent", "true");
  machine.run("ip", "address", "add", "192.0.2.60/32", "dev", "em0");
  refused(["start", "c"], 1, /cannot add 192\.0\.2\.60 to em0: the host has it there already/);
  assert.match(machine.run("ip", "-o", "address", "show", "dev", "em0"), /192\.0\.2\.60\/32/);
  machine.run("ip", "address", "del", "192.0.2.60/32", "dev", "em0");
  ok("rmc", "-f", "b", "c");
  ok("rmn", "lan");
  const left = machine.run("ip", "-o", "-4", "address", "show", "dev", "em0");
  assert.match(left, /192\.0\.2\.2\/24/);
  assert.doesNotMatch(left, /192\.0\.2\.5/);
});
