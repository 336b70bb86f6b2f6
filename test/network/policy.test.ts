import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { elementsOf } from "../../src/kleene/host/linux/elements.ts";
import { changeText } from "../../src/kleene/host/linux/ruleset.ts";
import {
  containerPolicy,
  type Policy,
  type PolicyContainer,
  type PolicyNetwork,
  policyOf,
  policyOfNetwork,
} from "../../src/kleene/network/policy.ts";
import {
  containerAddress,
  describeCase,
  factsOf,
  hostPort,
  SERVICE_PORT,
  type TrafficCase,
  trafficCases,
} from "../support/traffic-cases.ts";

const addressIn = ({ ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string }, family: 4 | 6): string =>
  family === 4 ? ipv4 : ipv6;

/** The rules of policy.ts, word by word, for one case: what an implementation of a policy has to come to. */
function judge(
  { endpoints, pairs, ports, networks }: Policy,
  { setup, family, protocol, from, to }: TrafficCase,
): string {
  const ofContainer = (peer: string): string | undefined =>
    peer === "server" || peer === "sibling" || peer === "stranger" ? containerAddress(setup, peer, family) : undefined;
  const networkOf = (address: string | undefined): PolicyNetwork | undefined =>
    endpoints.find((endpoint) => addressIn(endpoint, family) === address)?.network;
  let target = ofContainer(to);
  if (to.startsWith("published")) {
    const found = ports.find(
      (port) => port.family === family && port.protocol === protocol && port.hostPort.first === hostPort(setup),
    );
    target = found?.target;
    const source = networkOf(ofContainer(from));
    if (source?.internal) return "refused";
    if (target === undefined) return "closed";
  }
  const source = ofContainer(from);
  const [mine, theirs] = [networkOf(source), networkOf(target)];
  const open = ports.some((port) => port.target === target && port.protocol === protocol && port.open);
  if (source === undefined && from === "host") return "passes";
  if (source === undefined) return to.startsWith("published") && open ? "passes" : "dropped";
  if (source === target) return "passes";
  if (mine !== undefined && mine === theirs && mine.icc) return "passes";
  const paired = pairs.some(
    (pair) =>
      pair.source === source &&
      ("address" in pair.destination ? pair.destination.address === target : pair.destination.network === theirs),
  );
  if (paired) return "passes";
  if (mine?.internal) return "refused";
  if (target !== undefined) return open ? "passes" : "refused";
  assert(networks.length > 0);
  return "passes";
}

test("the policy comes to the verdict of every traffic case", () => {
  for (const one of trafficCases) {
    const { networks, containers } = factsOf(one.setup, "em0");
    assert.equal(judge(policyOf(networks, containers), one), one.verdict.is, describeCase(one));
  }
});

test("NAT is for networks that have a way out", () => {
  for (const { setup } of trafficCases)
    for (const network of factsOf(setup, "em0").networks) assert(!(network.internal && network.nat !== ""));
});

const networks: PolicyNetwork[] = [0, 1, 2, 3].map((number) => ({
  id: `00000000000${number}`,
  name: `n${number}`,
  interface: `kleene${number}`,
  exclusive: number !== 3,
  subnet: `10.0.${number}.0/24`,
  subnet6: number === 1 ? "" : `fd00:${number}::/64`,
  gateway: number === 2 ? "10.0.2.254" : "",
  gateway6: "",
  nat: number === 0 ? "em0" : "",
  icc: number % 2 === 0,
  internal: number === 1,
  log: false,
}));

/** Containers in some of the networks, each with addresses and a host port of its own. */
const container = (number: number): fc.Arbitrary<PolicyContainer> =>
  fc
    .record({ places: fc.shuffledSubarray(networks), rawSockets: fc.boolean(), size: fc.integer({ min: 0, max: 3 }) })
    .map(({ places, rawSockets, size }) => ({
      id: `c${String(number).padStart(2, "0")}0000000ff`,
      name: `c${number}`,
      rawSockets,
      attachments: places.map((network) => ({
        network,
        ipv4: `10.0.${network.id.slice(-1)}.${number + 1}`,
        ipv6: network.subnet6 === "" ? "" : `fd00:${network.id.slice(-1)}::${number + 1}`,
      })),
      ports:
        size === 0
          ? []
          : [
              {
                protocol: "tcp" as const,
                interface: "em0",
                address: "",
                hostPort: { first: 8000 + 10 * number, last: 8000 + 10 * number + size - 1 },
                containerPort: { first: 80, last: 80 + size - 1 },
              },
            ],
    }));

/** Carries nft's `add element` and `delete element` out on sets of strings, as strictly as the kernel does. */
class Sets {
  readonly sets = new Map<string, Set<string>>();

  run(text: string): void {
    for (const [, verb, set = "", list = ""] of text.matchAll(/^(add|delete) element inet t (\w+) \{ (.*) \}$/gm)) {
      const values = this.sets.get(set) ?? new Set();
      this.sets.set(set, values);
      for (const value of list.split(", ")) {
        if (verb === "add") values.add(value);
        else assert(values.delete(value), `nothing to delete: ${set} ${value}`);
      }
      const keys = [...values].map((value) => value.split(" : ")[0]);
      assert.equal(new Set(keys).size, keys.length, `one key, two values: ${[...values].join(", ")}`);
    }
  }

  get contents(): object {
    return plain(this.sets);
  }
}

const plain = (sets: ReadonlyMap<string, ReadonlySet<string>>): object =>
  Object.fromEntries(
    [...sets]
      .filter(([, set]) => set.size > 0)
      .map(([name, set]) => [name, [...set].sort()])
      .sort(),
  );

test("any sequence of starts, stops, connects and disconnects leaves what a reload would load", () => {
  const step = fc
    .integer({ min: 0, max: 5 })
    .chain((number) => fc.tuple(fc.constant(number), fc.option(container(number))));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const sets = new Sets();
      const running = new Map<number, PolicyContainer>();
      sets.run(changeText("t", { add: { networks } }));
      for (const [number, next] of steps) {
        const before = running.get(number);
        const change = { remove: before && containerPolicy(before), add: next ? containerPolicy(next) : undefined };
        sets.run(changeText("t", change));
        // Repeating a change, as a command does that was cut off, changes nothing.
        if (change.add === undefined) sets.run(changeText("t", change));
        if (next) running.set(number, next);
        else running.delete(number);
        assert.deepEqual(sets.contents, plain(elementsOf(policyOf(networks, [...running.values()]))));
      }
    }),
  );
});

test("a network's part of the policy names nothing of the others", () => {
  fc.assert(
    fc.property(fc.tuple(container(1), container(2)), (containers) => {
      const policy = policyOf(networks, containers);
      for (const { id } of networks) {
        const part = policyOfNetwork(policy, id);
        assert.deepEqual(
          part.networks.map((network) => network.id),
          [id],
        );
        assert(part.endpoints.every(({ network }) => network.id === id));
        for (const { target } of part.ports)
          assert(part.endpoints.some(({ ipv4, ipv6 }) => ipv4 === target || ipv6 === target));
      }
    }),
  );
});

test("an interface's name is a word, or no element at all", () => {
  const [network] = networks;
  assert(network !== undefined);
  const load = (nat: string): string => changeText("t", { add: { networks: [{ ...network, nat }] } });
  assert.match(load("enp0s3.100"), /"enp0s3\.100" \. 10\.0\.0\.0\/24/);
  for (const nat of ["em*", 'a" . 0.0.0.0/0 }; flush ruleset #', "a\\", "a;b", "a b", "a\n"])
    assert.throws(() => load(nat), { code: "UNSUPPORTED" }, nat);
});

test("an endpoint in a network with icc needs no element; a published port is one in each set", () => {
  const [first, , , , ...rest] = networks;
  assert(first !== undefined && rest.length === 0);
  const place = { network: first, ipv4: "10.0.0.1", ipv6: "" };
  const quiet = { id: "c000000000ff", name: "c", rawSockets: false, attachments: [place], ports: [] };
  assert.equal(changeText("t", { add: containerPolicy(quiet) }), "");
  const hostRange = { first: hostPort({ index: 0 } as TrafficCase["setup"]), last: 8000 };
  const port = {
    protocol: "tcp" as const,
    interface: "em0",
    address: "",
    hostPort: hostRange,
    containerPort: { first: SERVICE_PORT, last: SERVICE_PORT },
  };
  assert.equal(
    changeText("t", { add: containerPolicy({ ...quiet, ports: [port] }) }),
    "add element inet t published4 { 10.0.0.1 . tcp . 4000 }\n" +
      'add element inet t by_interface4 { "em0" . tcp . 8000 : 10.0.0.1 . 4000 }\n' +
      "add element inet t locally4 { tcp . 8000 : 10.0.0.1 . 4000 }\n",
  );
});
