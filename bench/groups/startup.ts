import { rowOf } from "../compare.ts";
import { Spawner } from "../floor.ts";
import { IMAGE, kleeArgv, NETWORK, openMachine } from "../machine.ts";
import type { Row } from "../model.ts";
import type { Group } from "./group.ts";

/** Before Node's clock starts and after the program's last line. */
const OUTSIDE = "exec and exit";

/** Where the time of whole commands goes, as `klee --trace=startup` tells it. */
export const startup: Group = {
  title: "Cold start by part (`klee --trace=startup`)",
  async measure(scale) {
    using bench = await openMachine();
    const { klee, environment } = bench;
    using spawner = new Spawner({ environment });
    const rounds = scale.quick ? 3 : 40;
    const rows = [
      ...(await parts(spawner, rounds, ["lsc"])),
      ...(await parts(spawner, rounds, ["network", "create", "--subnet", "10.9.0.0/24", "other"], () =>
        klee.networks.remove("other"),
      )),
      ...(await parts(spawner, rounds, ["run", "-n", NETWORK, IMAGE, "/bin/true"], () => klee.containers.prune())),
    ];
    await klee.close();
    return { rows };
  },
};

/** @param done undoes what one run of the command did. */
async function parts(
  spawner: Spawner,
  rounds: number,
  args: readonly string[],
  done: () => Promise<unknown> = async () => {},
): Promise<Row[]> {
  const samples = new Map<string, number[]>();
  for (let round = -1; round < rounds; round++) {
    const wall = await spawner.run(kleeArgv("--trace=startup", ...args));
    const traced = [...spawner.output.matchAll(/^([a-z0-9 ]+?) +(\d+\.\d\d)$/gm)].map(
      ([, part = "", milliseconds]) => [part, Number(milliseconds)] as const,
    );
    const total = traced.find(([part]) => part === "total")?.[1];
    if (total === undefined) throw new Error(`klee ${args[0]} printed no timeline: ${spawner.output}`);
    await done();
    // The first run finds the files of all later ones not yet read.
    if (round < 0) continue;
    const all = [
      ...traced.filter(([part]) => part !== "total"),
      [OUTSIDE, wall - total] as const,
      ["all", wall] as const,
    ];
    for (const [part, milliseconds] of all) samples.set(part, [...(samples.get(part) ?? []), milliseconds]);
  }
  const command = args.slice(0, args[0] === "network" ? 2 : 1).join(" ");
  return [...samples].map(([part, values]) => rowOf(`${command}: ${part}`, "ms", values));
}
