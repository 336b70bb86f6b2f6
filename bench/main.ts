/**
 * Measures klee beside its peers and the kernel's floor, on this machine: `npm run bench [-- --quick] [GROUP...]`.
 * Prints tables; a full run also writes bench/results/ and the table of docs/performance.md.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeEnvironment } from "./environment.ts";
import { cleanEnvironment } from "./floor.ts";
import { type GroupName, groupNames } from "./groups/index.ts";
import type { GroupResult, Report } from "./model.ts";
import { replaceResults } from "./report/markdown.ts";
import { svg } from "./report/plot.ts";
import { textTable } from "./report/text.ts";
import { setUp } from "./setup.ts";

const here = dirname(fileURLToPath(import.meta.url));
const results = join(here, "results");
const document = join(here, "../docs/performance.md");
/** No group takes longer, unless it hangs. */
const GROUP_TIMEOUT_MS = 300_000;

function chosenGroups(names: readonly string[]): readonly GroupName[] {
  const unknown = names.filter((name) => !groupNames.some((known) => known === name));
  if (unknown.length > 0)
    throw new Error(`no such group: ${unknown.join(", ")}; the groups are ${groupNames.join(", ")}`);
  return names.length === 0 ? groupNames : groupNames.filter((name) => names.includes(name));
}

/** In a process of its own: a group that fails leaves the others their figures. */
function measure(name: GroupName, quick: boolean, directory: string): GroupResult {
  const file = join(directory, `${name}.json`);
  const args = ["--expose-gc", "--import", "tsx", join(here, "group.ts"), name, file, ...(quick ? ["--quick"] : [])];
  const { status, signal } = spawnSync(process.execPath, args, {
    cwd: join(here, ".."),
    env: cleanEnvironment(),
    stdio: ["ignore", "inherit", "inherit"],
    timeout: GROUP_TIMEOUT_MS,
  });
  if (status === 0) return JSON.parse(readFileSync(file, "utf8")) as GroupResult;
  const reason = `the group failed (${signal ?? `exit status ${status}`})`;
  return { name, title: name, rows: [], plots: [], skipped: [reason], noise: 0, seconds: 0 };
}

function main(): number {
  const { values, positionals } = parseArgs({
    options: { quick: { type: "boolean", default: false }, output: { type: "string" } },
    allowPositionals: true,
  });
  const chosen = chosenGroups(positionals);
  if (process.geteuid?.() !== 0) throw new Error("the benchmark makes namespaces and containers and needs root");
  setUp();
  const environment = describeEnvironment();
  const groups: GroupResult[] = [];
  const directory = mkdtempSync(join(tmpdir(), "klee-bench-"));
  try {
    for (const name of chosen) {
      const result = measure(name, values.quick, directory);
      groups.push(result);
      console.log(textTable(result));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const report: Report = { environment, groups };
  if (values.output !== undefined) writeFileSync(values.output, `${JSON.stringify(report, null, 1)}\n`);
  const failed = groups.filter(({ rows }) => rows.length === 0);
  if (!values.quick && positionals.length === 0 && failed.length === 0) publish(report);
  return failed.length === 0 ? 0 : 1;
}

/** The figures that the documentation shows. */
function publish(report: Report): void {
  writeFileSync(join(results, "results.json"), `${JSON.stringify(report, null, 1)}\n`);
  for (const plot of report.groups.flatMap(({ plots }) => plots))
    writeFileSync(join(results, `${plot.name}.svg`), svg(plot));
  writeFileSync(document, replaceResults(readFileSync(document, "utf8"), report));
  console.log("\nwritten: bench/results/, docs/performance.md");
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
