/** `klee network create --log`: what is blocked is told of by nfnetlink_log, so much a second at most. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { after, test } from "node:test";
import { compiled } from "../support/compile.ts";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, Machine } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "ip", "busybox", "cc");
const reader = compiled(new URL("nflog.c", import.meta.url), "gnu11");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
let agents: Agents;
let lines: string[] = [];

const PORT = 4000;

before(async () => {
  agents = new Agents(machine);
  machine.runOutside("ip", "route", "add", "10.41.0.0/16", "via", GATEWAY);
  ok("network", "create", "--subnet", "10.41.0.0/24", "--subnet6", "fd41::/64", "--log", "watched");
  ok("network", "create", "--subnet", "10.41.1.0/24", "--subnet6", "fd41:0:0:1::/64", "other");
  ok("network", "create", "--subnet", "10.41.2.0/24", "--subnet6", "fd41:0:0:2::/64", "third");
  for (const name of ["watched", "other", "third"]) agents.inContainer(name, ["-n", name], PORT, "0.0.0.0", "::");
  const child = spawn(reader(), ["24"], { stdio: ["ignore", "pipe", "inherit"] });
  machine.track(child);
  await ready(child);
});

async function ready(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve) => {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      lines.push(...text.split("\n").filter(Boolean));
      resolve();
    });
  });
  assert.equal(lines.shift(), "ready");
}

/** What was logged since the last look. */
async function logged(): Promise<string[]> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  const seen = lines;
  lines = [];
  return seen;
}

test("it is a property of the network", gate, () => {
  assert.deepEqual(
    ["watched", "other"].map((name) => JSON.parse(ok("isn", name)).network.log),
    [true, false],
  );
  assert.match(ok("network", "rules", "watched"), /what is blocked is logged/);
});

test("what is refused to or from its containers is logged, of both families, and nothing else is", gate, async () => {
  for (const [from, to, expected] of [
    ["watched", "10.41.1.1", "klee blocked: IPv4"],
    ["other", "10.41.0.1", "klee blocked: IPv4"],
    ["watched", "fd41:0:0:1::1", "klee blocked: IPv6"],
    ["watched", "10.41.0.99", "klee blocked: IPv4"],
    ["other", "10.41.2.1", undefined],
    ["watched", "10.41.0.1", undefined],
  ] as const) {
    await agents.ask(from, "udp", to, PORT);
    const [first] = await logged();
    assert.equal(first, expected, `${from} to ${to}`);
  }
});

test("what is dropped from outside is logged", gate, async () => {
  assert.throws(() => machine.runOutside("nc", "-w", "1", "10.41.0.1", String(PORT)));
  assert.equal((await logged())[0], "klee blocked: IPv4");
});

test("not more than so much in a second", gate, async () => {
  await Promise.all(Array.from({ length: 200 }, () => agents.ask("watched", "udp", "10.41.1.1", PORT)));
  const count = (await logged()).length;
  assert.ok(count > 0 && count < 100, `${count} lines`);
});
