/** Whether the kernel's sets hold what a policy says, in a network namespace. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { LinuxFirewall } from "../../../src/kleene/host/linux/firewall.ts";
import { ANYWHERE, containerPolicy, policyOf } from "../../../src/kleene/network/policy.ts";
import { before, needs } from "../../support/gate.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";
import { custom, database, loopback, neighbour, secluded, web } from "../freebsd/sample.ts";

const gate = needs("root", "libnftables", "nft");
const firewall = new LinuxFirewall("t");
const networks = [
  { ...loopback, nat: ANYWHERE },
  { ...secluded, gateway: "10.4.0.1" },
  { ...custom, nat: "em1" },
  // It touches the first one: the kernel keeps no end between the two.
  { ...loopback, id: "111111111111", name: "next", subnet: "10.2.4.0/24", subnet6: "fd00:2:4::/64", nat: "em0" },
];
const containers = [{ ...web, rawSockets: true }, database, neighbour];
const policy = policyOf(networks, containers);

before(() => {
  if (gate.skip === false) enterNetworkNamespace();
});

test("what is loaded agrees, at once or step by step", gate, () => {
  firewall.load(policy);
  assert.equal(firewall.agrees(policy), true);
  assert.equal(firewall.agrees(policyOf(networks, containers.slice(1))), false);
  firewall.change({ remove: containerPolicy(database) });
  assert.equal(firewall.agrees(policy), false);
  assert.equal(firewall.agrees(policyOf(networks, [containers[0] ?? web, neighbour])), true);
  firewall.change({ add: containerPolicy(database) });
  assert.equal(firewall.agrees(policy), true);
  firewall.load(policyOf([], []));
  for (const network of networks) firewall.change({ add: { networks: [network] } });
  for (const one of containers) firewall.change({ add: containerPolicy(one) });
  assert.equal(firewall.agrees(policy), true);
});

for (const [what, command] of [
  ["a network is missing", "delete element inet t networks4 { 10.4.0.0/16 }"],
  ["a translation is missing", "delete element inet t masqueraded6 { fd00:2:3::/64 }"],
  ["a port is missing", "flush map inet t anywhere4"],
  ["somebody added a pair", "add element inet t pairs4 { 10.2.3.0/24 . 10.0.0.0/8 }"],
  ["somebody opened a port", "add element inet t published6 { fd00:2:3::1 . tcp . 22 }"],
] as const)
  test(`${what}: it does not agree`, gate, () => {
    firewall.load(policy);
    execFileSync("nft", [command]);
    assert.equal(firewall.agrees(policy), false);
  });

test("without a table nothing agrees but no policy at all", gate, () => {
  firewall.unload();
  assert.equal(firewall.agrees(policy), false);
  assert.equal(firewall.agrees(policyOf([], [])), true);
});
