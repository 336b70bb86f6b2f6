import { strict as assert } from "node:assert";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, GATEWAY6, Machine, OUTSIDE, OUTSIDE6 } from "../support/machine.ts";
import {
  containerAddress,
  describeCase,
  hostPort,
  SERVICE_PORT,
  setups,
  subnetOf,
  type TrafficCase,
  type TrafficSetup,
  trafficCases,
} from "../support/traffic-cases.ts";
import { Agents, type Answer } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "ip", "busybox", "cc");
const machine = new Machine();
after(() => machine[Symbol.dispose]());
let agents: Agents;

before(() => {
  agents = new Agents(machine);
  // The host tells of unused ports by ICMP, of which the kernel sends one a second to an address, after a few.
  machine.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit");
  for (const [family, via] of [
    ["-4", GATEWAY],
    ["-6", GATEWAY6],
  ] as const)
    machine.runOutside("ip", family, "route", "add", family === "-4" ? "10.20.0.0/16" : "fd20::/16", "via", via);
  agents.onHost("host", SERVICE_PORT, GATEWAY, GATEWAY6);
  agents.outside("outside", SERVICE_PORT, OUTSIDE, OUTSIDE6);
  for (const setup of setups) makeSetup(setup);
  network(setups.length, { icc: true, internal: false, nat: true });
  for (const setup of setups.slice(0, 1)) start(setup, "stranger", setups.length);
});

function network(index: number, { icc, internal, nat }: Pick<TrafficSetup, "icc" | "internal" | "nat">): void {
  const flags = [`--icc=${icc}`, `--nat=${nat}`, ...(internal ? ["--internal"] : [])];
  const subnets = ["--subnet", subnetOf(index, 4), "--subnet6", subnetOf(index, 6)];
  const { status, stderr } = machine.klee(["network", "create", ...subnets, ...flags, `n${index}`]);
  assert.equal(status, 0, stderr);
}

function makeSetup(setup: TrafficSetup): void {
  network(setup.index, setup);
  const ports = ["tcp", "udp"].flatMap((protocol) => ["-p", `${hostPort(setup)}:${SERVICE_PORT}/${protocol}`]);
  start(setup, "server", setup.index, setup.published ? ports : []);
  start(setup, "sibling", setup.index);
}

function start(
  setup: TrafficSetup,
  peer: "server" | "sibling" | "stranger",
  index: number,
  options: string[] = [],
): void {
  const addresses = ([4, 6] as const).map((family) => containerAddress(setup, peer, family));
  agents.inContainer(nameOf(setup, peer), ["-n", `n${index}`, ...options], SERVICE_PORT, ...addresses);
}

function nameOf({ index }: TrafficSetup, peer: string): string {
  return peer === "server" || peer === "sibling" ? `${peer}${index}` : peer;
}

const hostAddresses = { 4: GATEWAY, 6: GATEWAY6 } as const;
const outsideAddresses = { 4: OUTSIDE, 6: OUTSIDE6 } as const;
const loopbacks = { 4: "127.0.0.1", 6: "::1" } as const;

/** A peer's own address. */
function addressOf({ setup, family }: TrafficCase, peer: string): string {
  if (peer === "host") return hostAddresses[family];
  if (peer === "outside") return outsideAddresses[family];
  return containerAddress(setup, peer as "server", family);
}

async function ask(one: TrafficCase): Promise<Answer> {
  const { setup, family, protocol, from, to } = one;
  const name = nameOf(setup, from);
  if (to === "published at the host") return agents.ask(name, protocol, hostAddresses[family], hostPort(setup));
  if (to === "published at the loopback") return agents.ask(name, protocol, loopbacks[family], hostPort(setup));
  return agents.ask(name, protocol, addressOf(one, to), SERVICE_PORT);
}

/**
 * What an answer means. klee refuses datagrams with ICMP "administratively prohibited", of which their sender hears EPERM, and
 * TCP with a reset, as an unused port answers; but all that is refused goes to a port on which somebody listens.
 */
function meaning({ protocol }: TrafficCase, answer: Answer): string {
  if (answer === "timeout") return "dropped";
  if (answer === "EPERM") return "refused";
  if (answer !== "ECONNREFUSED") return answer;
  return protocol === "tcp" ? "reset" : "closed";
}

function expected(one: TrafficCase): string {
  if (one.verdict.is === "dropped") return "dropped";
  if (one.verdict.is !== "passes") return one.protocol === "tcp" ? "reset" : one.verdict.is;
  const { seen } = one.verdict;
  return seen === "any" ? "ok" : `ok ${addressOf(one, seen === "own" ? one.from : seen)}`;
}

/** Agents answer one after the other: a few at a time, or a listen queue overflows. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}

test("every connection is let through, refused or dropped as the networks say", gate, async () => {
  const found = new Map<TrafficCase, string>();
  await inTurns(trafficCases, async (one) => {
    found.set(one, meaning(one, await ask(one)));
  });
  let right = 0;
  for (const one of trafficCases) {
    const got = found.get(one) ?? "";
    const wanted = expected(one);
    const holds = wanted === "ok" ? got.startsWith("ok ") : got === wanted;
    if (holds) right += 1;
    console.log(`${holds ? "ok  " : "FAIL"} ${describeCase(one).padEnd(102)} ${got}${holds ? "" : `, not ${wanted}`}`);
  }
  console.log(`${right} of ${trafficCases.length}`);
  assert.equal(right, trafficCases.length);
});
