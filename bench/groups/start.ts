import { type Absentee, atMost, type Condition, compare, type Entrant, fasterThan } from "../compare.ts";
import { Floor, Spawner } from "../floor.ts";
import { type BenchMachine, cgroupRoot, IMAGE, NETWORK, openMachine, QUIET } from "../machine.ts";
import type { Row } from "../model.ts";
import { bwrap, crun, enterPeer, ociBundle, runc, watchCgroups } from "../peers.ts";
import { extent, type Scale } from "../scale.ts";
import type { Group } from "./group.ts";

/** A container from its start to its exit, by library call, beside the tools that do a part of it. */
export const start: Group = {
  title: "Container start to exit (`true`), by library call",
  async measure(scale) {
    using bench = await openMachine();
    using _cgroups = watchCgroups();
    using spawner = new Spawner({ where: "cgroup2" });
    const { machine, klee, rootfs } = bench;
    const scratch = machine.folder("floor");
    using floor = new Floor("start", [rootfs, scratch, cgroupRoot()]);
    const bundle = ociBundle(machine.directory, rootfs);
    const peers = [
      await enterPeer("bwrap", spawner, bwrap(rootfs)),
      await enterPeer("crun", spawner, crun(bundle)),
      await enterPeer("runc", spawner, runc(bundle)),
    ];
    const others: (Entrant | Absentee)[] = [
      { name: "C", role: "floor", sample: async () => (await floor.nanoseconds("run 1")) / 1e6 },
      ...peers,
    ];
    const faster = peers.map(({ name }) => fasterThan(name));
    // Beside another that runs, as on any host in use; then as the only one, which also loads the BPF programs.
    const keeper = await klee.containers.create({ image: IMAGE, command: ["sleep", "1000000"], network: NETWORK });
    await klee.containers.start(keeper.id, QUIET);
    const rows = [
      await startRow("start to exit, another container running", bench, [atMost(3, "ms"), ...faster], others, scale),
      await execRow(bench, keeper.id, scale),
    ];
    await klee.containers.remove(keeper.id, { force: true });
    rows.push(await startRow("start to exit, the only container", bench, [], [], scale));
    await klee.close();
    return { rows };
  },
};

async function startRow(
  what: string,
  { klee }: BenchMachine,
  conditions: readonly Condition[],
  others: readonly (Entrant | Absentee)[],
  scale: Scale,
): Promise<Row> {
  const { id } = await klee.containers.create({ image: IMAGE, command: ["/bin/true"], network: NETWORK });
  const sample = async (): Promise<number> => {
    const begun = process.hrtime.bigint();
    const execution = await klee.containers.start(id, QUIET);
    const { status } = await execution.exited;
    if (status !== 0) throw new Error(`true ended with ${status}`);
    return Number(process.hrtime.bigint() - begun) / 1e6;
  };
  const entrants = [{ name: "klee", role: "klee", sample } as const, ...others];
  const row = await compare(what, "ms", entrants, extent(scale, 20, 300), conditions);
  await klee.containers.remove(id, { force: true });
  return row;
}

function execRow({ klee }: BenchMachine, id: string, scale: Scale): Promise<Row> {
  const sample = async (): Promise<number> => {
    const begun = process.hrtime.bigint();
    const execution = await klee.containers.exec(id, { command: ["/bin/true"], ...QUIET });
    await execution.exited;
    return Number(process.hrtime.bigint() - begun) / 1e6;
  };
  return compare("exec in a running container", "ms", [{ name: "klee", role: "klee", sample }], extent(scale, 5, 300));
}
