import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Klee } from "../../src/kleene/index.ts";
import { atMost, compare, flatWithin, rowOf } from "../compare.ts";
import { Spawner } from "../floor.ts";
import { type BenchMachine, cgroupRoot, IMAGE, kleeArgv, NETWORK, openMachine, QUIET } from "../machine.ts";
import type { Row } from "../model.ts";
import { extent, type Scale } from "../scale.ts";
import { median } from "../statistics.ts";
import type { Group } from "./group.ts";

const IDLE = ["sleep", "1000000"];
const FLAT = 1.5;

/** Many containers at once, and many that only wait. */
export const scale: Group = {
  title: "Many containers",
  async measure(size) {
    using bench = await openMachine();
    using spawner = new Spawner({ environment: bench.environment });
    const { klee } = bench;
    const rows: Row[] = [];
    const first = await starts(bench, size);
    const parallel = size.quick ? 10 : 100;
    rows.push(await startedAtOnce(klee, parallel));
    const idle = size.quick ? 20 : 1000;
    const ids: string[] = [];
    for (let count = 0; count < idle; count++) ids.push(await startIdle(klee));
    rows.push(rowOf(`memory of each of ${idle} idle containers`, "MiB", ids.map(memoryOf), [atMost(2, "MiB")]));
    const listing = await compare(
      `klee lsc, ${idle} running`,
      "ms",
      [{ name: "klee", role: "klee", sample: () => spawner.run(kleeArgv("lsc")) }],
      extent(size, 6),
    );
    const later = await starts(bench, size);
    rows.push(
      listing,
      rowOf("start beside none", "ms", first),
      rowOf(`start beside ${idle}`, "ms", later, [flatWithin(FLAT, median(first), "the first")]),
    );
    for (const id of ids) await klee.containers.remove(id, { force: true });
    await klee.close();
    return { rows, skipped: ["memory of peers: crun and runc leave nothing running, podman leaves conmon"] };
  },
};

async function startIdle(klee: Klee): Promise<string> {
  const { id } = await klee.containers.create({ image: IMAGE, command: IDLE, network: NETWORK });
  (await klee.containers.start(id, QUIET)).detach();
  return id;
}

/** Milliseconds of single starts, beside what runs already. */
async function starts({ klee }: BenchMachine, size: Scale): Promise<number[]> {
  const samples: number[] = [];
  for (let round = 0; round < (size.quick ? 5 : 30); round++) {
    const { id } = await klee.containers.create({ image: IMAGE, command: IDLE, network: NETWORK });
    const begun = performance.now();
    (await klee.containers.start(id, QUIET)).detach();
    samples.push(performance.now() - begun);
    await klee.containers.remove(id, { force: true });
  }
  return samples;
}

/** All are asked for at once, from one process. */
async function startedAtOnce(klee: Klee, count: number): Promise<Row> {
  const rounds: number[] = [];
  for (let round = 0; round < 3; round++) {
    const ids: string[] = [];
    for (let made = 0; made < count; made++)
      ids.push((await klee.containers.create({ image: IMAGE, command: IDLE, network: NETWORK })).id);
    const begun = performance.now();
    const executions = await Promise.all(ids.map((id) => klee.containers.start(id, QUIET)));
    rounds.push((performance.now() - begun) / count);
    for (const execution of executions) execution.detach();
    for (const id of ids) await klee.containers.remove(id, { force: true });
  }
  return rowOf(`${count} containers started in parallel, each`, "ms", rounds);
}

/** MiB that the supervisor and pid 1 of a container have to themselves, and their share of what they have in common. */
function memoryOf(id: string): number {
  const init = readFileSync(join(cgroupRoot(), "klee", id, "init/cgroup.procs"), "utf8")
    .trim()
    .split("\n")[0];
  const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${init}/status`, "utf8"))?.[1];
  return [init, parent].reduce((sum, pid) => sum + proportionalSize(pid), 0);
}

/** proc(5), smaps_rollup, Pss. */
function proportionalSize(pid: string | undefined): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? Number.NaN) / 1024;
}
