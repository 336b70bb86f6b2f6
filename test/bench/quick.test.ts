/** The benchmark runs through, quickly, and every row has its figures; how large they are is no test's business. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { groupNames } from "../../bench/groups/index.ts";
import type { Report } from "../../bench/model.ts";
import { svg } from "../../bench/report/plot.ts";
import { needs } from "../support/gate.ts";

const directory = mkdtempSync(join(tmpdir(), "klee-bench-test-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test(
  "the quick benchmark gives every row its figures",
  needs("root", "cgroup2", "overlay", "libnftables", "cc"),
  () => {
    const output = join(directory, "report.json");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", main, "--quick", "--output", output],
      { encoding: "utf8", timeout: 240_000 },
    );
    assert.equal(status, 0, stdout + stderr);
    const { environment, groups } = JSON.parse(readFileSync(output, "utf8")) as Report;
    for (const fact of ["commit", "kernel", "node"]) assert.ok(environment[fact], fact);
    assert.deepEqual(
      groups.map(({ name }) => name),
      groupNames,
    );
    for (const { name, rows, plots } of groups) {
      assert.ok(rows.length > 0, `${name} has rows`);
      for (const { what, contenders } of rows) {
        assert.ok(
          contenders.some(({ role, figures }) => role === "klee" && figures !== undefined),
          what,
        );
        for (const { name: who, figures, missing } of contenders) {
          if (figures === undefined) assert.ok(missing, `${what}: ${who} says why it is blank`);
          else for (const figure of Object.values(figures)) assert.ok(Number.isFinite(figure), `${what}: ${who}`);
        }
      }
      for (const plot of plots) assert.match(svg(plot), /<polyline points="[\d.,\s]+"/);
    }
  },
);
