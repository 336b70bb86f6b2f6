import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs } from "../support/gate.ts";

const worker = fileURLToPath(new URL("./scale-worker.ts", import.meta.url));

test(
  "1000 networks with 2 published ports each: a reload is one transaction, a change is one of a few elements",
  needs("root", "host", "libnftables"),
  () => {
    const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", worker], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    const steps = new Map(
      stderr
        .split(/^step: /m)
        .slice(1)
        .map((text) => {
          const [name = "", ...lines] = text.split("\n");
          return [name, lines] as const;
        }),
    );
    const transactions = (name: string): string[] =>
      (steps.get(name) ?? []).filter((line) => /^klee: (nft|NFNL_MSG_BATCH_BEGIN) /.test(line));
    const expected = { load: 1, reload: 1, "add two ports": 1, "remove two ports": 1, "add an endpoint": 0 };
    for (const [name, count] of Object.entries(expected)) {
      assert(steps.get(name)?.includes("loaded: true"), `${name}: all rules are there`);
      const found = transactions(name);
      for (const line of found) console.log(`${name}: ${line}`);
      assert.equal(found.length, count, name);
      const elements = (steps.get(name) ?? []).filter((line) => /^klee: NFT_MSG_(NEW|DEL)SETELEM /.test(line));
      assert.equal(elements.length > 0, name.endsWith("two ports"), `${name}: by messages of klee's own`);
    }
  },
);
