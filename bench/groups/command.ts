import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Absentee, atMostOver, compare, type Entrant, fasterThan } from "../compare.ts";
import { Spawner } from "../floor.ts";
import { type BenchMachine, IMAGE, kleeArgv, NETWORK, openMachine } from "../machine.ts";
import type { Row } from "../model.ts";
import { enterPeer, podman, podmanRun, watchCgroups } from "../peers.ts";
import { extent, type Scale } from "../scale.ts";
import type { Group } from "./group.ts";

/** Whole commands, from exec to exit, beside Node with an empty program and podman doing the same. */
export const command: Group = {
  title: "Commands, whole process",
  async measure(scale) {
    using bench = await openMachine();
    using _cgroups = watchCgroups();
    using spawner = new Spawner({ environment: bench.environment });
    using peerSpawner = new Spawner({ where: "cgroup2" });
    const empty = join(bench.machine.directory, "empty.cjs");
    writeFileSync(empty, "");
    const node: Entrant = { name: "node", role: "floor", sample: () => spawner.run([process.execPath, empty]) };
    const tools = { bench, spawner, peerSpawner, node, scale };
    const rows = [
      await listing(tools, 0, ["lsc"]),
      await runRow(tools),
      ...(await networkRows(tools)),
      await versionRow(tools),
    ];
    const count = scale.quick ? 20 : 1000;
    for (let made = 0; made < count; made++) await bench.klee.containers.create({ image: IMAGE, command: ["true"] });
    rows.push(await listing(tools, count, ["lsc", "-a"]));
    await bench.klee.close();
    return { rows };
  },
};

interface Tools {
  readonly bench: BenchMachine;
  readonly spawner: Spawner;
  readonly peerSpawner: Spawner;
  readonly node: Entrant;
  readonly scale: Scale;
}

/** @param done undoes what one sample did, outside its time. */
function kleeEntrant(
  { spawner }: Tools,
  args: readonly string[],
  done: () => Promise<unknown> = async () => {},
): Entrant {
  return {
    name: "klee",
    role: "klee",
    async sample() {
      const milliseconds = await spawner.run(kleeArgv(...args));
      await done();
      return milliseconds;
    },
  };
}

async function runRow(tools: Tools): Promise<Row> {
  const { bench, peerSpawner, node, scale } = tools;
  const prune = (): Promise<unknown> => bench.klee.containers.prune();
  const run = ["run", "-l", "ipnet", "-n", NETWORK, IMAGE, "/bin/true"];
  const variants = podmanRun(bench.machine.directory, bench.rootfs, "none");
  const peer = await enterPeer("podman", peerSpawner, variants);
  const conditions = [atMostOver("node", 25, "ms"), fasterThan(peer.name)];
  return compare(
    "klee run ... true",
    "ms",
    [kleeEntrant(tools, run, prune), node, peer],
    extent(scale, 20),
    conditions,
  );
}

async function networkRows(tools: Tools): Promise<Row[]> {
  const { bench, peerSpawner, node, scale } = tools;
  const { klee, machine } = bench;
  const ofPodman = (...args: string[]): string[] => podman(machine.directory, "network", ...args);
  const inspecting = ofPodman("inspect", "klee-bench");
  const creating: Entrant = {
    name: "podman",
    role: "peer",
    async sample() {
      const milliseconds = await peerSpawner.run(ofPodman("create", "klee-bench"));
      await peerSpawner.run(ofPodman("rm", "klee-bench"));
      return milliseconds;
    },
  };
  const create = kleeEntrant(tools, ["network", "create", "--subnet", "10.9.0.0/24", "other"], () =>
    klee.networks.remove("other"),
  );
  const conditions = [atMostOver("node", 10, "ms")];
  const rows = [await compare("klee network create", "ms", [create, node, creating], extent(scale, 12), conditions)];
  await peerSpawner.run(ofPodman("create", "klee-bench")).catch(() => undefined);
  const peer = await enterPeer("podman", peerSpawner, [{ without: "", argv: inspecting }]);
  const inspect = kleeEntrant(tools, ["network", "inspect", NETWORK]);
  rows.push(await compare("klee network inspect", "ms", [inspect, node, peer], extent(scale, 10), conditions));
  return rows;
}

async function listing(tools: Tools, count: number, args: readonly string[]): Promise<Row> {
  const { bench, peerSpawner, node, scale } = tools;
  const peer: Entrant | Absentee =
    count === 0
      ? await enterPeer("podman", peerSpawner, [{ without: "", argv: podman(bench.machine.directory, "ps") }])
      : { name: "podman", role: "peer", missing: `making ${count} containers of it takes minutes` };
  const what = `klee ${args.join(" ")}, ${count} containers`;
  const entrants = [kleeEntrant(tools, args), node, peer];
  return compare(what, "ms", entrants, extent(scale, 10), [atMostOver("node", 12, "ms")]);
}

/** What reading the program alone takes: no store, no kernel. */
function versionRow(tools: Tools): Promise<Row> {
  const entrants = [kleeEntrant(tools, ["--version"]), tools.node];
  return compare("klee --version", "ms", entrants, extent(tools.scale, 6));
}
