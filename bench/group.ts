/** Measures one group: `group.ts NAME RESULT-FILE [--quick]`. A process of its own, with namespaces that go with it. */
import { writeFileSync } from "node:fs";
import { noise } from "./compare.ts";
import { type GroupName, groups } from "./groups/index.ts";
import type { GroupResult } from "./model.ts";

const [name = "", file = "", mode] = process.argv.slice(2);
const group = await groups[name as GroupName]();
const start = performance.now();
const { rows, plots = [], skipped = [] } = await group.measure({ quick: mode === "--quick" });
const seconds = (performance.now() - start) / 1000;
const result: GroupResult = { name, title: group.title, rows, plots, skipped, noise: noise(), seconds };
writeFileSync(file, JSON.stringify(result));
// Floors and namespaces go with the process; nothing else may keep it.
process.exit(0);
