/** Addresses of klee's networks that no container has: nothing to or from them is ever seen outside. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine, OUTSIDE, OUTSIDE6 } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
let agents: Agents;

const PORT = 4000;
const REFUSAL = { tcp: "ECONNREFUSED", udp: "EPERM" } as const;
/** A connection that is found out to be refused with its second segment takes a second. */
const AT_ONCE_MS = 500;
const networks = [
  { name: "plain", subnet: "10.31.0", subnet6: "fd31::", flags: [] },
  { name: "inner", subnet: "10.31.1", subnet6: "fd31:0:0:1::", flags: ["--internal"] },
  { name: "apart", subnet: "10.31.2", subnet6: "fd31:0:0:2::", flags: ["--icc=false"] },
  { name: "bridged", subnet: "10.31.3", subnet6: "fd31:0:0:3::", flags: ["-t", "bridge"] },
] as const;

/** Packets of klee's subnets that reached the outside machine, by its own nft. */
function seenOutside(): number {
  const counters = machine.runOutside("nft", "list", "chain", "inet", "watch", "arrivals");
  return [...counters.matchAll(/packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

before(() => {
  agents = new Agents(machine);
  agents.outside("outside", PORT, OUTSIDE, OUTSIDE6);
  agents.onHost("host", PORT, "192.0.2.2", "2001:db8::2");
  machine.runOutside(
    "nft",
    "add table inet watch; add chain inet watch arrivals { type filter hook prerouting priority -300; }",
  );
  for (const match of ["ip daddr 10.31.0.0/16", "ip saddr 10.31.0.0/16", "ip6 daddr fd31::/32", "ip6 saddr fd31::/32"])
    machine.runOutside("nft", "add", "rule", "inet", "watch", "arrivals", ...match.split(" "), "counter");
  for (const { name, subnet, subnet6, flags } of networks) {
    ok("network", "create", "--subnet", `${subnet}.0/24`, "--subnet6", `${subnet6}/64`, ...flags, name);
    agents.inContainer(name, ["-n", name], PORT, "0.0.0.0", "::");
  }
});

test(
  "an address that nobody has is refused at once, to containers of every network and to the host",
  gate,
  async () => {
    const answers: string[] = [];
    for (const peer of [...networks.map(({ name }) => name), "host"])
      for (const { subnet, subnet6 } of networks)
        for (const address of [`${subnet}.99`, `${subnet6}99`])
          for (const protocol of ["tcp", "udp"] as const) {
            const begun = performance.now();
            const answer = await agents.ask(peer, protocol, address, PORT);
            const took = performance.now() - begun;
            if (answer !== REFUSAL[protocol] || took > AT_ONCE_MS)
              answers.push(`${peer} to ${address}/${protocol}: ${answer} after ${took} ms`);
          }
    assert.deepEqual(answers, []);
    assert.equal(seenOutside(), 0);
  },
);

test("what holders of addresses do not let in is refused at once as well, with the same answers", gate, async () => {
  for (const [from, to] of [
    ["plain", "bridged"],
    ["inner", "plain"],
    ["apart", "inner"],
  ] as const)
    for (const family of ["ip_address", "ip_address6"] as const)
      for (const protocol of ["tcp", "udp"] as const) {
        const [{ [family]: address }] = JSON.parse(ok("isc", to)).container_endpoints;
        const begun = performance.now();
        assert.equal(await agents.ask(from, protocol, address, PORT), REFUSAL[protocol], `${from} to ${address}`);
        assert.ok(performance.now() - begun < AT_ONCE_MS, `${from} to ${address}: at once`);
      }
  for (const address of [OUTSIDE, OUTSIDE6, "192.0.2.2", "2001:db8::2"])
    for (const protocol of ["tcp", "udp"] as const) {
      const begun = performance.now();
      assert.equal(await agents.ask("inner", protocol, address, PORT), REFUSAL[protocol], `inner to ${address}`);
      assert.ok(performance.now() - begun < AT_ONCE_MS, `inner to ${address}: at once`);
    }
});

test("a more specific route to the outside does not change that", gate, async () => {
  machine.run("ip", "route", "add", "10.31.0.96/28", "via", OUTSIDE);
  machine.run("ip", "-6", "route", "add", "fd31::90/124", "via", OUTSIDE6);
  for (const address of ["10.31.0.99", "fd31::99"])
    for (const peer of ["plain", "inner", "host"])
      assert.equal(await agents.ask(peer, "tcp", address, PORT), REFUSAL.tcp, `${peer} to ${address}`);
  assert.equal(seenOutside(), 0);
});

test("nothing is sent to, or from, the address of a container that was stopped or disconnected", gate, async () => {
  ok(
    "run",
    "-d",
    "--name",
    "talker",
    "-n",
    "plain",
    "--ip",
    "10.31.0.50",
    "agent",
    "sh",
    "-c",
    `while :; do echo x; sleep 0.05; done | nc -u -p 5000 ${OUTSIDE} ${PORT + 1}`,
  );
  ok(
    "run",
    "-d",
    "--name",
    "writer",
    "-n",
    "plain",
    "--ip",
    "10.31.0.51",
    "agent",
    "sh",
    "-c",
    "while :; do echo x; sleep 0.05; done | nc -u 10.31.0.1 5001",
  );
  ok("network", "connect", "apart", "talker");
  ok("network", "disconnect", "plain", "talker");
  ok("stop", "plain");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(seenOutside(), 0);
  agents.restart("plain");
});

test("what is forwarded to or from such an address goes no further", gate, () => {
  machine.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  machine.runOutside("ip", "route", "add", "10.31.0.0/16", "via", "192.0.2.2");
  const before = seenOutside();
  assert.throws(() => machine.runOutside("nc", "-w", "1", "10.31.0.99", "80"));
  assert.equal(seenOutside(), before, "the default route would send it back");
  machine.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward");
});
