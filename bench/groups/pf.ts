import { pf } from "../../src/ffi/freebsd/index.ts";
import { atMost, compare } from "../compare.ts";
import { extent } from "../scale.ts";
import { floorPath } from "../setup.ts";
import type { Group } from "./group.ts";
import { memoryKept, timedTogether } from "./repeated.ts";

/** The pf bindings' own share: a transaction encoded and handed to a C library that takes it and does nothing. */
export const pfTransaction: Group = {
  title: "pf bindings on a stand-in for libc: what klee adds to the kernel's time",
  async measure(scale) {
    process.env.KLEE_LIBC = floorPath("pf-stand-in.so");
    using device = new pf.PfDevice();
    const table = { anchor: "klee/net", tables: { endpoints: ["10.2.3.1"] } };
    const rules = {
      ...table,
      rules: { filter: [{ action: "pass", quick: true, family: 4, source: { address: { table: "endpoints" } } }] },
    } as const;
    const replaceTable = (): void => pf.replaceAnchors(device, [table]);
    const replaceBoth = (): void => pf.replaceAnchors(device, [rules]);
    const rows = [];
    for (const [what, call] of [
      ["pf transaction: a table of one address (3 ioctls)", replaceTable],
      ["pf transaction: a table and a rule (5 ioctls)", replaceBoth],
    ] as const) {
      const klee = { name: "klee", role: "klee", sample: timedTogether(call) } as const;
      rows.push(await compare(what, "us", [klee], extent(scale, 3), [atMost(20, "us")]));
      rows.push(memoryKept(what, call, scale));
    }
    return { rows };
  },
};
