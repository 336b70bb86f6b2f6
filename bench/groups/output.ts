import { readdirSync, readFileSync } from "node:fs";
import { type Absentee, atMost, compare, type Entrant, fasterThan } from "../compare.ts";
import { Spawner } from "../floor.ts";
import { type BenchMachine, IMAGE, kleeArgv, openMachine, QUIET } from "../machine.ts";
import type { Row } from "../model.ts";
import { crun, enterPeer, ociBundle, podmanRun, type Variant, watchCgroups } from "../peers.ts";
import { extent, type Scale } from "../scale.ts";
import type { Group } from "./group.ts";

/** Where the output goes, as bash(1) says it: one that fails is a failure of the whole. */
const ways = {
  "/dev/null": 'exec "$@" >/dev/null',
  "a pipe": 'set -o pipefail; "$@" | cat >/dev/null',
} as const;

/** What a container writes, on its way to a reader outside. */
export const output: Group = {
  title: "1 GiB through standard output, whole process",
  async measure(scale) {
    using bench = await openMachine();
    using _cgroups = watchCgroups();
    using spawner = new Spawner({ environment: bench.environment });
    using peerSpawner = new Spawner({ where: "cgroup2" });
    const payload = ["/bin/dd", "if=/dev/zero", "bs=1M", `count=${scale.quick ? 16 : 1024}`];
    const bundle = ociBundle(bench.machine.directory, bench.rootfs, payload);
    const variants = {
      crun: crun(bundle),
      podman: podmanRun(bench.machine.directory, bench.rootfs, "none", payload),
    };
    const rows: Row[] = [];
    for (const [where, script] of Object.entries(ways)) {
      const redirected = (argv: readonly string[]): string[] => ["bash", "-c", script, "bash", ...argv];
      const klee = redirected(kleeArgv("run", "--rm", "-l", "host", IMAGE, ...payload));
      const peers: (Entrant | Absentee)[] = [];
      for (const [name, list] of Object.entries(variants))
        peers.push(
          await enterPeer(
            name,
            peerSpawner,
            list.map(({ without, argv }): Variant => ({ without, argv: redirected(argv) })),
          ),
        );
      const entrants = [{ name: "klee", role: "klee", sample: () => spawner.run(klee) } as const, ...peers];
      const conditions = peers.map(({ name }) => fasterThan(name));
      rows.push(await compare(`klee run ... dd, to ${where}`, "ms", entrants, extent(scale, 10, 120), conditions));
    }
    rows.push(await idleRow(bench, scale));
    await bench.klee.close();
    return { rows };
  },
};

/** What a detached container costs while it does nothing: its supervisor. */
async function idleRow({ klee, machine }: BenchMachine, scale: Scale): Promise<Row> {
  const { id } = await klee.containers.create({ image: IMAGE, command: ["sleep", "1000000"], driver: "host" });
  const execution = await klee.containers.start(id, { ...QUIET, log: true });
  execution.detach();
  // Longer than it waits before it gives back what a start needs.
  machine.run("sleep", "0.5");
  const sample = (): number => residentBytes(id);
  const entrants = [{ name: "klee", role: "klee", sample } as const];
  const row = await compare("memory of an idle supervisor", "bytes", entrants, extent(scale, 5, 5), [
    atMost(1_000_000, "bytes"),
  ]);
  await klee.containers.remove(id, { force: true });
  return row;
}

function residentBytes(id: string): number {
  const pid = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && isSupervisor(entry, id));
  if (pid === undefined) throw new Error(`no supervisor of ${id}`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

function isSupervisor(pid: string, id: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`klee-supervisor\0${id}\0`);
  } catch {
    return false;
  }
}
