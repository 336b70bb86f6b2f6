import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LinuxFirewall } from "../../src/kleene/host/linux/firewall.ts";
import { changeText, loadText } from "../../src/kleene/host/linux/ruleset.ts";
import type { Policy, PolicyNetwork, PolicyPort } from "../../src/kleene/network/policy.ts";
import { enterNetworkNamespace } from "../../test/support/namespaces.ts";
import { type Absentee, atMost, type Condition, compare, type Entrant, flatWithin } from "../compare.ts";
import { Floor, Spawner } from "../floor.ts";
import type { Plot, Row } from "../model.ts";
import { extent, type Scale, sizes } from "../scale.ts";
import { findPeer } from "../setup.ts";
import type { Group } from "./group.ts";

const FEW = 10;
const MANY = 1000;
const FLAT = 1.5;

/** One rule change and a full load, with few and with many networks in the table. */
export const firewall: Group = {
  title: "Firewall (nftables)",
  async measure(scale) {
    enterNetworkNamespace();
    const directory = mkdtempSync(join(tmpdir(), "klee-bench-nft-"));
    using floor = new Floor("nft", [directory]);
    using spawner = new Spawner();
    const rows: Row[] = [];
    const lines = new Map<string, [number, number][]>();
    try {
      let reference = Number.NaN;
      for (const count of sizes(scale, [FEW, 100], [MANY])) {
        const bench = { directory, floor, spawner, policy: policyOf(count), scale };
        const conditions = count === FEW ? [atMost(2, "ms")] : [atMost(2, "ms"), flatWithin(FLAT, reference, "10")];
        const row = await change(bench, count, conditions);
        if (count === FEW) reference = row.contenders[0]?.figures?.median ?? Number.NaN;
        for (const { name, figures } of row.contenders)
          if (figures) lines.set(name, [...(lines.get(name) ?? []), [count, figures.median]]);
        rows.push(row);
        if (count !== FEW) rows.push(await load(bench, count, count === MANY ? [atMost(25, "ms")] : []));
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    const plot: Plot = {
      name: "firewall-change",
      title: "Adding one endpoint to the firewall",
      x: "networks in the table",
      y: "ms",
      lines: [...lines].map(([name, points]) => ({ name, points })),
    };
    return { rows, plots: [plot] };
  },
};

interface Bench {
  readonly directory: string;
  readonly floor: Floor;
  readonly spawner: Spawner;
  readonly policy: Policy;
  readonly scale: Scale;
}

/** The table that the peers change: klee's own is another, in the same namespace. */
const OTHER = "bench_other";

/** A container with raw sockets and a published port comes and goes: that needs the most elements. */
function change(bench: Bench, count: number, conditions: readonly Condition[]): Promise<Row> {
  const own = new LinuxFirewall("bench_klee");
  own.load(bench.policy);
  const container = containerOf(bench.policy);
  const entrants: (Entrant | Absentee)[] = [
    {
      name: "klee",
      role: "klee",
      sample() {
        const milliseconds = timed(() => own.change({ add: container }));
        own.change({ remove: container });
        return milliseconds;
      },
    },
    ...others(bench, changeText(OTHER, { add: container }), changeText(OTHER, { remove: container })),
  ];
  return compare(
    `one endpoint with a port among ${count} networks`,
    "ms",
    entrants,
    extent(bench.scale, 6, 200),
    conditions,
  );
}

function load(bench: Bench, count: number, conditions: readonly Condition[]): Promise<Row> {
  const own = new LinuxFirewall("bench_klee");
  const entrants: (Entrant | Absentee)[] = [
    { name: "klee", role: "klee", sample: () => timed(() => own.load(bench.policy)) },
    ...others(bench, loadText(OTHER, bench.policy), undefined),
  ];
  return compare(`load all rules of ${count} networks`, "ms", entrants, extent(bench.scale, 6, 100), conditions);
}

/** The same text through libnftables in C, and through nft(8). Each sample undoes what it did, outside the time. */
function others(bench: Bench, text: string, undo: string | undefined): (Entrant | Absentee)[] {
  const { directory, floor, spawner, policy } = bench;
  writeFileSync(join(directory, "all"), loadText(OTHER, policy));
  writeFileSync(join(directory, "do"), text);
  if (undo !== undefined) writeFileSync(join(directory, "undo"), undo);
  let loaded = false;
  const prepare = async (): Promise<void> => {
    if (!loaded) await floor.nanoseconds("run all");
    loaded = true;
  };
  const restore = async (): Promise<void> => {
    if (undo !== undefined) await floor.nanoseconds("run undo");
  };
  const inC: Entrant = {
    name: "C (libnftables)",
    role: "floor",
    async sample() {
      await prepare();
      const milliseconds = (await floor.nanoseconds("run do")) / 1e6;
      await restore();
      return milliseconds;
    },
  };
  const program = findPeer("nft");
  if (program === undefined) return [inC, { name: "nft -f", role: "peer", missing: "nftables is not installed" }];
  const asProcess: Entrant = {
    name: "nft -f",
    role: "peer",
    async sample() {
      await prepare();
      const milliseconds = await spawner.run([program, "-f", join(directory, "do")]);
      await restore();
      return milliseconds;
    },
  };
  return [inC, asProcess];
}

function policyOf(count: number): Policy {
  const networks = Array.from(
    { length: count },
    (_, index): PolicyNetwork => ({
      id: index.toString(16).padStart(12, "a"),
      name: `net${index}`,
      interface: `kleene${index}`,
      subnet: `10.${index >> 8}.${index & 255}.0/24`,
      subnet6: "",
      exclusive: true,
      gateway: "",
      gateway6: "",
      nat: "em0",
      icc: index % 2 === 0,
      internal: false,
      log: false,
    }),
  );
  return { networks, endpoints: [], pairs: [], ports: [], withdrawn: [] };
}

/** What a container brings to the firewall: its place in a network, and a port that it publishes on the host. */
function containerOf({ networks }: Policy): Pick<Policy, "endpoints" | "ports"> {
  const network = networks.find(({ icc }) => !icc);
  if (network === undefined) throw new Error("no network without icc");
  const ipv4 = network.subnet.replace(/0\/24$/, "7");
  const container = { containerId: "abcdef012345", containerName: "web" };
  const port: PolicyPort = {
    ...container,
    protocol: "tcp",
    family: 4,
    interface: "em0",
    address: "",
    hostPort: { first: 8080, last: 8080 },
    containerPort: { first: 80, last: 80 },
    target: ipv4,
    open: true,
  };
  return { endpoints: [{ ...container, network, ipv4, ipv6: "", rawSockets: true }], ports: [port] };
}

function timed(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}
