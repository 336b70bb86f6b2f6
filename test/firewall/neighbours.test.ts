/** Networks that others are on: which addresses containers get there, and how others are asked. */
import { strict as assert } from "node:assert";
import { after, afterEach, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, Machine, OUTSIDE, OUTSIDE6 } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

/** The link address of the machine outside. */
let mac: string;

function refused(args: readonly string[], status: number, message: RegExp): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, message);
  assert.equal(result.stderr.trimEnd().split("\n").length, 1, result.stderr);
}

function addresses(container: string): string[] {
  const [endpoint] = JSON.parse(ok("isc", container)).container_endpoints;
  return [endpoint.ip_address, endpoint.ip_address6];
}

const outside = (verb: "add" | "del", address: string): string =>
  machine.runOutside("ip", "address", verb, address, "dev", "out0", ...(address.includes(":") ? ["nodad"] : []));
const aliases = (): string => machine.run("ip", "-o", "address", "show", "dev", "em0");

before(() => {
  new Agents(machine);
  mac = /ether (\S+)/.exec(machine.runOutside("ip", "link", "show", "dev", "out0"))?.[1] ?? "";
  const subnets = ["--subnet", "192.0.2.0/24", "--subnet6", "2001:db8::/64"];
  ok("network", "create", "-t", "custom", "-i", "em0", ...subnets, "lan");
});

afterEach(() => {
  for (const id of ok("lsc", "-a", "-q").split("\n").filter(Boolean)) ok("rmc", "-f", id);
});

test("neither the host's address nor its router's is handed out", gate, () => {
  ok("create", "-n", "lan", "--name", "a", "agent", "true");
  assert.deepEqual(addresses("a"), ["192.0.2.3", "2001:db8::3"]);
  refused(["create", "-n", "lan", "--ip", OUTSIDE, "agent"], 1, /192\.0\.2\.1 is in use by a router on em0/);
  refused(["create", "-n", "lan", "--ip6", OUTSIDE6, "agent"], 1, /2001:db8::1 is in use by a router on em0/);
  refused(["create", "-n", "lan", "--ip", GATEWAY, "agent"], 1, /192\.0\.2\.2 is in use by the host's interface em0/);
});

test("nor is the router of any other route, in any table", gate, () => {
  machine.run("ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.3", "table", "100");
  machine.run("ip", "route", "add", "198.51.100.0/24", "nexthop", "via", "192.0.2.4", "nexthop", "via", "192.0.2.5");
  machine.run("ip", "-6", "route", "add", "2001:db8:9::/64", "via", "2001:db8::3", "table", "100");
  try {
    ok("create", "-n", "lan", "--name", "a", "agent", "true");
    assert.deepEqual(addresses("a"), ["192.0.2.6", "2001:db8::4"]);
  } finally {
    machine.run("ip", "route", "flush", "table", "100");
    machine.run("ip", "-6", "route", "flush", "table", "100");
    machine.run("ip", "route", "del", "198.51.100.0/24");
  }
});

test("no network is made over a router's address", gate, () => {
  machine.run("ip", "route", "add", "203.0.113.0/24", "via", "10.66.1.1", "dev", "em0", "onlink");
  const make = ["network", "create", "--subnet", "10.66.1.0/24", "over"];
  refused(make, 1, /subnet 10\.66\.1\.0\/24 has the address 10\.66\.1\.1 of a router on em0/);
  machine.run("ip", "route", "del", "203.0.113.0/24");
});

test("others are asked first, in both families; who has an address is said", gate, () => {
  const theirs = ["192.0.2.3/24", "192.0.2.4/24", "2001:db8::3/64"];
  for (const address of theirs) outside("add", address);
  assert.doesNotMatch(machine.run("ip", "neighbour", "show"), /192\.0\.2\.3|2001:db8::3 /, "nobody has spoken to them");
  ok("run", "-d", "-n", "lan", "--name", "a", "agent", "sleep", "60");
  assert.deepEqual(addresses("a"), ["192.0.2.5", "2001:db8::4"]);
  assert.match(aliases(), /192\.0\.2\.5\/32/);
  assert.doesNotMatch(machine.runOutside("ip", "neighbour", "show"), /192\.0\.2\.3/, "asking tells nobody anything");
  refused(
    ["create", "-n", "lan", "--ip", "192.0.2.4", "agent"],
    1,
    new RegExp(`^klee: address 192\\.0\\.2\\.4 is in use by ${mac} on em0\\n$`),
  );
  refused(
    ["run", "-n", "lan", "--ip6", "2001:db8::3", "agent", "true"],
    125,
    new RegExp(`^klee: address 2001:db8::3 is in use by ${mac} on em0\\n$`),
  );
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  ok("create", "-n", "net", "--name", "b", "agent", "true");
  refused(["network", "connect", "--ip", "192.0.2.4", "lan", "b"], 1, /192\.0\.2\.4 is in use by/);
  ok("network", "connect", "lan", "b");
  assert.equal(JSON.parse(ok("isc", "b")).container_endpoints[1].ip_address, "192.0.2.6");
  ok("rmc", "-f", "b");
  ok("rmn", "net");
  assert.equal(ok("lsc", "-a", "-q").trim().split("\n").length, 1, "of what was refused nothing is left");
  for (const address of theirs) outside("del", address);
  assert.equal(ok("system", "check"), "");
});

test("an address that somebody took since is not taken back", gate, () => {
  ok("create", "-n", "lan", "--name", "a", "agent", "sleep", "60");
  const [address = ""] = addresses("a");
  outside("add", `${address}/24`);
  refused(["start", "-d", "a"], 1, new RegExp(`address ${address} is in use by ${mac} on em0`));
  assert.doesNotMatch(aliases(), new RegExp(`${address}/`));
  outside("del", `${address}/24`);
  ok("start", "-d", "a");
  assert.match(aliases(), new RegExp(`${address}/32`));
  ok("stop", "a");
});

test("whom the kernel knows is left alone; who was there once is asked when it matters", gate, () => {
  machine.run("ip", "neighbour", "add", "192.0.2.3", "lladdr", "02:00:5e:00:53:01", "dev", "em0", "nud", "stale");
  machine.run("ip", "neighbour", "add", "2001:db8::3", "lladdr", "02:00:5e:00:53:01", "dev", "em0", "nud", "permanent");
  ok("create", "-n", "lan", "--name", "a", "agent", "true");
  assert.deepEqual(addresses("a"), ["192.0.2.4", "2001:db8::4"]);
  ok("create", "-n", "lan", "--ip", "192.0.2.3", "--ip6", "", "--name", "b", "agent", "true");
  assert.deepEqual(addresses("b"), ["192.0.2.3", ""], "nobody answers there");
  machine.run("ip", "neighbour", "flush", "dev", "em0");
});

test("network and broadcast addresses are those of the host's subnets as well", gate, () => {
  machine.run("ip", "address", "add", "192.0.2.2/29", "dev", "em0");
  try {
    refused(
      ["create", "-n", "lan", "--ip", "192.0.2.7", "agent"],
      1,
      /the broadcast address of 192\.0\.2\.0\/29 on em0/,
    );
    refused(["create", "-n", "lan", "--ip", "192.0.2.255", "agent"], 1, /broadcast address of 192\.0\.2\.0\/24/);
    for (const last of [3, 4, 5, 6, 8]) {
      ok("create", "-n", "lan", "--ip6", "", "--name", `c${last}`, "agent", "true");
      assert.deepEqual(addresses(`c${last}`), [`192.0.2.${last}`, ""]);
    }
  } finally {
    machine.run("ip", "address", "del", "192.0.2.2/29", "dev", "em0");
  }
});

test("many at once get an address each", gate, async () => {
  outside("add", "192.0.2.3/24");
  outside("add", "192.0.2.6/24");
  const started = Array.from({ length: 5 }, () =>
    machine.startKlee(["create", "-n", "lan", "--ip6", "", "agent", "true"]),
  );
  for (const { ended, output } of started) assert.equal(await ended, 0, output());
  const ids = ok("lsc", "-a", "-q").trim().split("\n");
  const got = ids.map((id) => addresses(id)[0]).sort();
  assert.deepEqual(got, ["192.0.2.4", "192.0.2.5", "192.0.2.7", "192.0.2.8", "192.0.2.9"]);
  outside("del", "192.0.2.3/24");
  outside("del", "192.0.2.6/24");
});

test("--ip-range and --exclude: where addresses come from, and which no container gets", gate, () => {
  const options = ["--subnet", "10.7.0.0/24", "--subnet6", "fd00:7::/64"];
  ok(
    ...["network", "create", ...options, "--ip-range", "10.7.0.16/30", "--ip-range", "fd00:7::10-fd00:7::12"],
    ...["--exclude", "10.7.0.17", "--exclude", "10.7.0.200-10.7.0.250", "--exclude", "fd00:7::11/128", "ranged"],
  );
  const { exclude, ip_range } = JSON.parse(ok("isn", "ranged")).network;
  assert.deepEqual(exclude, ["10.7.0.17", "10.7.0.200-10.7.0.250", "fd00:7::11/128"]);
  assert.deepEqual(ip_range, ["10.7.0.16/30", "fd00:7::10-fd00:7::12"]);
  const create = (...more: readonly string[]): string[] => {
    ok("create", "-n", "ranged", "--name", "one", ...more, "agent", "true");
    const found = addresses("one");
    ok("rmc", "-f", "one");
    return found;
  };
  ok("create", "-n", "ranged", "--name", "first", "agent", "true");
  assert.deepEqual(addresses("first"), ["10.7.0.16", "fd00:7::10"]);
  assert.deepEqual(create(), ["10.7.0.18", "fd00:7::12"]);
  assert.deepEqual(create("--ip", "10.7.0.99", "--ip6", ""), ["10.7.0.99", ""], "another one that is asked for");
  refused(
    ["create", "-n", "ranged", "--ip", "10.7.0.201", "agent"],
    1,
    /10\.7\.0\.201 is one that network ranged excludes \(10\.7\.0\.200-10\.7\.0\.250\)/,
  );
  ok("create", "-n", "ranged", "--name", "second", "--ip6", "", "agent", "true");
  ok("create", "-n", "ranged", "--name", "third", "--ip6", "", "agent", "true");
  refused(
    ["create", "-n", "ranged", "--ip6", "", "agent"],
    1,
    /no more IPv4 addresses left in network ranged \(10\.7\.0\.16\/30\)/,
  );
  const make = (...more: readonly string[]): string[] => ["network", "create", "--subnet", "10.8.0.0/24", ...more, "x"];
  refused(make("--exclude", "10.9.0.1"), 2, /--exclude: 10\.9\.0\.1 is not within 10\.8\.0\.0\/24/);
  refused(make("--exclude", "10.8.0.9-10.8.0.3"), 2, /ends before it begins/);
  refused(make("--exclude", "10.8.0.x"), 2, /no address, no cidr block and no range/);
  refused(make("--ip-range", "10.8.0.5/24"), 2, /no address, no cidr block/);
  refused(make("--ip-range", "10.8.0.0/25", "--ip-range", "10.8.0.128/25"), 2, /one range for IPv4/);
});
