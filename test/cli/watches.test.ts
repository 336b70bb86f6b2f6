/** What follows goes on where the kernel has no inotify instance or watch left: root of a container can take them all. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { compiled } from "../support/compile.ts";
import { before, needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const noWatches = compiled(new URL("no-watches.c", import.meta.url), "gnu11", "-shared", "-fPIC");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh", "sleep", "test"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});

/** A klee whose kernel has none left. */
function follower(missing: Readonly<Record<string, string>>, ...args: string[]) {
  const env = { ...machine.environment(), ...missing, LD_PRELOAD: noWatches() };
  const child = spawn(process.execPath, [kleeCommand, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  machine.track(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  /** Waits for a text of its output, and does something meanwhile, again and again. */
  const until = async (text: string, meanwhile: () => void = () => {}): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!output.includes(text)) {
      assert.ok(Date.now() < deadline, `timed out waiting for ${text}: ${output}`);
      meanwhile();
      await sleep(20);
    }
  };
  return { child, ended, until, output: () => output };
}

for (const [what, missing] of [
  ["instance", {}],
  ["watch", { WATCHES_LEFT: "none" }],
] as const) {
  test(`klee logs -f without an inotify ${what}: all of it, and the end`, gate, async () => {
    ok(
      "run",
      "-d",
      "--name",
      "talks",
      "box",
      "sh",
      "-c",
      "echo one; while [ ! -e /go ]; do sleep 0.02; done; echo two",
    );
    const logs = follower(missing, "logs", "-f", "talks");
    await logs.until("one\n");
    ok("exec", "talks", "sh", "-c", ": >/go");
    assert.equal(await logs.ended, 0);
    assert.equal(logs.output(), "one\ntwo\n");
    ok("rmc", "talks");
  });

  test(`klee events without an inotify ${what}: each once`, gate, async () => {
    const events = follower(missing, "events");
    // It tells of what comes after it has begun: until then, this makes something come.
    await events.until("image tag", () => {
      ok("image", "tag", "box", "other");
      ok("image", "tag", "other", "box");
    });
    ok("image", "tag", "box", "late");
    await events.until("late:latest");
    ok("image", "tag", "late", "box");
    await events.until("box:latest");
    assert.equal(events.output().split("late:latest").length, 2, events.output());
    events.child.kill("SIGTERM");
    assert.notEqual(await events.ended, 1, events.output());
  });
}
