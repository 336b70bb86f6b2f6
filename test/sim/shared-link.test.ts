/** Networks on an interface of the administrator's, which others are on. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const link = [2, 0, 0x5e, 0, 0x53, 7];
const host = new SimulatedHost({
  ...ordinaryMachine,
  interfaces: (ordinaryMachine.interfaces ?? []).map((one) =>
    one.name === "em0" ? { ...one, link: [2, 0, 0x5e, 0, 0x53, 1] } : one,
  ),
  gateway4: "192.0.2.2",
  gateway6: "2001:db8::2",
  neighbours: [
    { interface: "em0", ip: "192.0.2.3", link, known: true },
    { interface: "em0", ip: "2001:db8::3", link, known: true },
    // Nobody has spoken to them.
    { interface: "em0", ip: "192.0.2.5", link },
    { interface: "em0", ip: "2001:db8::4", link },
  ],
});
after(() => host[Symbol.dispose]());

function ok(...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  return stdout;
}

function refused(message: RegExp, ...args: string[]): void {
  const { status, stderr } = host.klee(args);
  assert.equal(status, 1, stderr);
  assert.match(stderr, message);
}

function addresses(container: string): string[] {
  const [endpoint] = JSON.parse(ok("isc", container)).container_endpoints;
  return [endpoint.ip_address, endpoint.ip_address6];
}

test("neither routers nor neighbours lose their address to a container; who has it is said", gate, () => {
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  ok("image", "create", "dir", root, "-t", "box");
  const subnets = ["--subnet", "192.0.2.0/24", "--subnet6", "2001:db8::/64"];
  ok("network", "create", "-t", "custom", "-i", "em0", ...subnets, "--exclude", "192.0.2.4", "lan");
  ok("create", "-n", "lan", "--name", "a", "box", "true");
  assert.deepEqual(addresses("a"), ["192.0.2.6", "2001:db8::5"]);
  refused(/192\.0\.2\.2 is in use by a router on em0/, "create", "-n", "lan", "--ip", "192.0.2.2", "box");
  refused(/2001:db8::2 is in use by a router on em0/, "create", "-n", "lan", "--ip6", "2001:db8::2", "box");
  refused(/192\.0\.2\.3 is in use by 02:00:5e:00:53:07 on em0/, "create", "-n", "lan", "--ip", "192.0.2.3", "box");
  refused(/2001:db8::3 is in use by 02:00:5e:00:53:07 on em0/, "create", "-n", "lan", "--ip6", "2001:db8::3", "box");
  refused(/the broadcast address/, "create", "-n", "lan", "--ip", "192.0.2.255", "box");
  refused(/192\.0\.2\.4 is one that network lan excludes/, "create", "-n", "lan", "--ip", "192.0.2.4", "box");
  assert.equal(ok("lsc", "-a", "-q").trim().split("\n").length, 1, "of what was refused nothing is left");
});

test("what nobody has spoken to is asked, and who answers is said", gate, () => {
  const who = /is in use by 02:00:5e:00:53:07 on em0/;
  refused(who, "create", "-n", "lan", "--ip", "192.0.2.5", "box");
  refused(who, "create", "-n", "lan", "--ip6", "2001:db8::4", "box");
  ok("run", "-n", "lan", "--ip", "192.0.2.77", "box", "true");
});
