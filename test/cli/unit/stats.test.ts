import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerUsage } from "../../../src/kleene/model.ts";
import { klee, type Surroundings } from "./fake.ts";

const usage = (name: string): ContainerUsage => ({
  id: "d763328950a2",
  name,
  cpuSeconds: 1,
  memoryBytes: 2 ** 20,
  processes: 1,
});

/** What is printed of a container that is seen at these looks, and then no more. */
async function printed(surroundings: Surroundings, ...args: string[]): Promise<string> {
  const looks = [[usage("a_long_name")], [usage("a_long_name")], [usage("short")], []];
  const containers = { usage: async () => looks.shift() ?? [] };
  const { status, stdout } = await klee({ containers }, ["stats", ...args, "d763328950a2"], surroundings);
  assert.equal(status, 0);
  return stdout;
}

/** A screen after what was written to it; of ECMA-48 what klee uses. */
function screenAfter(output: string): string[] {
  const screen: string[] = [];
  let [row, column] = [0, 0];
  for (const [piece, control] of output.matchAll(/\p{Cc}\[([HJK])|\n|\P{Cc}+/gu)) {
    const line = screen[row] ?? "";
    if (control === "H") [row, column] = [0, 0];
    else if (control === "K") screen[row] = line.slice(0, column);
    else if (control === "J") screen.length = row;
    else if (piece === "\n") [row, column] = [row + 1, 0];
    else {
      screen[row] = line.slice(0, column).padEnd(column) + piece + line.slice(column + piece.length);
      column += piece.length;
    }
  }
  return screen;
}

test("on a terminal each look is painted over the one before, and nothing of that one is left", async () => {
  const output = await printed({ window: { rows: 24, columns: 80 } });
  assert.deepEqual(screenAfter(output), [" CONTAINER ID    NAME   CPU   MEMORY   PROCESSES", "─".repeat(49)]);
  const twice = output.split("\u001b[H").slice(0, 3).join("\u001b[H");
  assert.match(screenAfter(twice).at(-1) ?? "", /^ d763328950a2 {4}short {3}0\.0% {2}/);
  assert.equal(output.split("\u001b[H").length, 4, "three looks");
});

test("elsewhere one table follows the other", async () => {
  const output = await printed({ terminals: [] });
  assert.ok(!output.includes("\u001b"));
  assert.equal(output.match(/CONTAINER ID/g)?.length, 3);
  assert.equal((await printed({ terminals: [] }, "--no-stream")).match(/CONTAINER ID/g)?.length, 1);
});
