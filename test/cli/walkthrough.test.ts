import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { needs } from "../support/gate.ts";

test("the documentation's walkthrough holds", needs("root", "cgroup2", "overlay", "libnftables", "busybox"), () => {
  const script = ["--import", "tsx", "test/walkthrough/walkthrough.ts"];
  const { status, stdout, stderr } = spawnSync(process.execPath, script, { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /The walkthrough holds, from top to bottom/);
});
