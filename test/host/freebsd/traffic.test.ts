import assert from "node:assert/strict";
import { after, test } from "node:test";
import { pf } from "../../../src/ffi/freebsd/index.ts";
import { FreebsdFirewall } from "../../../src/kleene/host/freebsd/firewall.ts";
import { policyOf } from "../../../src/kleene/network/policy.ts";
import { GATEWAY, GATEWAY6, OUTSIDE, OUTSIDE6 } from "../../support/machine.ts";
import { follow, type Packet, SimulatedPf } from "../../support/simulated-pf.ts";
import {
  addressIn,
  containerAddress,
  describeCase,
  factsOf,
  hostPort,
  SERVICE_PORT,
  setups,
  type TrafficCase,
  trafficCases,
} from "../../support/traffic-cases.ts";

const hosts = { 4: GATEWAY, 6: GATEWAY6 } as const;
const neighbours = { 4: OUTSIDE, 6: OUTSIDE6 } as const;
const loopbacks = { 4: "127.0.0.1", 6: "::1" } as const;
const interfaces = {
  em0: [GATEWAY, GATEWAY6],
  lo0: ["127.0.0.1", "::1"],
  ...Object.fromEntries(
    [...setups.map(({ index }) => index), setups.length].map((index) => [
      `kleene${index}`,
      ([4, 6] as const).flatMap((family) => [1, 2].map((number) => addressIn(index, family, number))),
    ]),
  ),
};

const isContainer = (peer: string): peer is "server" | "sibling" | "stranger" =>
  peer === "server" || peer === "sibling" || peer === "stranger";

/** What a packet of the case has as its destination, and by which interface it goes there. */
function destinationOf({ setup, family, to }: TrafficCase): Pick<Packet, "destination" | "port" | "interface"> {
  if (to === "published at the host") return { destination: hosts[family], port: hostPort(setup), interface: "lo0" };
  if (to === "published at the loopback")
    return { destination: loopbacks[family], port: hostPort(setup), interface: "lo0" };
  if (to === "host") return { destination: hosts[family], port: SERVICE_PORT, interface: "lo0" };
  if (to === "outside") return { destination: neighbours[family], port: SERVICE_PORT, interface: "em0" };
  const index = to === "stranger" ? setups.length : setup.index;
  return { destination: containerAddress(setup, to, family), port: SERVICE_PORT, interface: `kleene${index}` };
}

const firewall = new FreebsdFirewall();
const filter = new SimulatedPf(interfaces);
after(() => filter[Symbol.dispose]());
let loaded: number | undefined;

/** Loads the rules of a case's network and containers as klee does: those that are there are replaced. */
function load({ setup }: TrafficCase): void {
  filter.forget();
  if (loaded === setup.index) return;
  const { networks, containers } = factsOf(setup, "em0");
  firewall.load(policyOf(networks, containers));
  loaded = setup.index;
}

/** What pf's rules make of a case, in the words of its verdict. */
function outcome(one: TrafficCase): string {
  const { setup, family, protocol, from, to } = one;
  load(one);
  const { interface: by, ...there } = destinationOf(one);
  // The kernel sends from the destination itself to an address of its own, unless the sender is bound to another.
  const source = isContainer(from)
    ? containerAddress(setup, from, family)
    : from === "host"
      ? there.destination
      : neighbours[family];
  const packet = { ...there, source, protocol: protocol === "tcp" ? pf.IPPROTO_TCP : pf.IPPROTO_UDP };
  const arriving = { direction: "in", interface: "em0" } as const;
  const leaving = { direction: "out", interface: by } as const;
  const passages =
    from === "outside"
      ? [arriving]
      : to === "outside"
        ? [leaving]
        : [leaving, { ...leaving, direction: "in" } as const];
  const verdict = follow(filter, packet, passages);
  // What pf blocks on its way out fails in the sender's own call, however it is blocked.
  if (!verdict.passed) return verdict.answer === "drop" && verdict.packet.direction === "in" ? "dropped" : "refused";
  if (verdict.packet.port !== SERVICE_PORT) return "closed";
  if (!verdict.answered) return "passes, but not its answer";
  return to === "outside" && verdict.packet.source === hosts[family] ? "passes as host" : "passes";
}

test("the rules that klee loads into pf come to the verdict of every traffic case", () => {
  let right = 0;
  const wrong: string[] = [];
  for (const one of trafficCases) {
    const { verdict } = one;
    const translated = one.to === "outside" && verdict.is === "passes" && verdict.seen === "host";
    const expected = translated ? "passes as host" : verdict.is;
    const got = outcome(one);
    if (got === expected) right += 1;
    else wrong.push(`${describeCase(one)}: ${got}, not ${expected}`);
  }
  console.log(`${right} of ${trafficCases.length}`);
  assert.deepEqual(wrong, []);
});

test("an address that nobody has is reached by nobody, and nothing leaves from one", () => {
  const wrong: string[] = [];
  let tried = 0;
  for (const setup of setups) {
    const { networks, containers } = factsOf(setup, "em0");
    firewall.load(policyOf(networks, containers));
    loaded = setup.index;
    for (const family of [4, 6] as const) {
      const unheld = addressIn(setup.index, family, 99);
      const senders = [1, 2].map((number) => addressIn(setup.index, family, number));
      const ways = [
        ...[...senders, addressIn(setups.length, family, 1), hosts[family]].map((source) => [source, unheld] as const),
        [unheld, neighbours[family]] as const,
      ];
      for (const [source, destination] of ways)
        for (const protocol of [pf.IPPROTO_TCP, pf.IPPROTO_UDP]) {
          filter.forget();
          tried += 1;
          const packet = { direction: "out", interface: "em0", protocol, source, destination, port: 443 } as const;
          if (filter.judge(packet).passed) wrong.push(`${JSON.stringify(setup)}: ${source} to ${destination}`);
        }
    }
  }
  console.log(`${tried - wrong.length} of ${tried} refused`);
  assert.deepEqual(wrong, []);
});

test("what a raw socket of a jail sends to the host's loopback does not get there; answers of published ports do", () => {
  for (const setup of setups) {
    const { networks, containers } = factsOf(setup, "em0");
    firewall.load(policyOf(networks, containers));
    loaded = setup.index;
    for (const family of [4, 6] as const)
      for (const protocol of [pf.IPPROTO_TCP, pf.IPPROTO_UDP])
        for (const destination of family === 4 ? ["127.0.0.1", "127.0.0.53"] : ["::1"]) {
          filter.forget();
          const source = addressIn(setup.index, family, 1);
          const packet = { direction: "out", interface: "lo0", protocol, source, destination, port: 53 } as const;
          assert.equal(filter.judge(packet).passed, false, `${JSON.stringify(setup)}: ${source} to ${destination}`);
        }
  }
});
