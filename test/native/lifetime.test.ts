import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { waitCgroupEmpty } from "../../src/ffi/native.ts";
import { needs } from "../support/gate.ts";
import { eventually, type Jail, withJail } from "./jail.ts";

function recorded(jail: Jail): Promise<string> {
  return eventually("teardown", () => (existsSync(jail.record) ? readFileSync(jail.record, "utf8") : undefined));
}

const populated = (cgroup: string) => /populated 1/.test(readFileSync(join(cgroup, "cgroup.events"), "utf8"));

describe("the life of a container", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("exec enters a running one", () =>
    withJail(async (jail) => {
      const first = await jail.start(["sleep", "1000"]);
      const inside = await jail.runInside([
        "sh",
        "-c",
        "hostname; ls -d /proc/2; grep CapBnd /proc/self/status; exit 7",
      ]);
      assert.match(inside.output, /^boxed\n\/proc\/2\nCapBnd:\s+00000000800405fb\n$/);
      assert.deepEqual([inside.code, inside.jailEmpty], [7, false]);
      const members = readFileSync(join(jail.cgroup, "payload/cgroup.procs"), "utf8").trim().split("\n");
      assert.deepEqual(members, [String(first.pid)]);
    }));

  test("an attached client takes it down itself: the supervisor does nothing", () =>
    withJail(async (jail) => {
      const first = await jail.start(["true"]);
      assert.ok((await first.exited).jailEmpty);
      assert.ok(!populated(jail.cgroup), "pid 1 has ended when the client hears of it");
    }));

  test("the supervisor takes it down when the client leaves that to it", () =>
    withJail(async (jail) => {
      process.env.KLEE_ROOT = "/some/root";
      const first = await jail.start(["true"]);
      await first.exited;
      assert.ok(!existsSync(jail.record), "not before the client is done");
      first.close();
      assert.match(await recorded(jail), /^\d+ \/some\/root\n$/);
    }));

  test("a lock held by another command delays the teardown", () =>
    withJail(async (jail) => {
      const holder = spawn("/usr/bin/flock", [jail.lock, "/bin/sh", "-c", "echo locked; read line"]);
      await new Promise((resolve) => holder.stdout.once("data", resolve));
      const first = await jail.start(["true"]);
      await first.exited;
      first.close();
      const waiting = () =>
        / FLOCK .*$/m.test(readFileSync("/proc/locks", "utf8")) &&
        /->.*FLOCK/.test(readFileSync("/proc/locks", "utf8"));
      await eventually("a waiter on the lock", () => waiting() || undefined);
      assert.ok(!existsSync(jail.record));
      holder.stdin.end("\n");
      await recorded(jail);
    }));

  test("the next start waits until the overlay of the run before has gone", () =>
    withJail(async (jail) => {
      // As the supervisor of the run before holds it, until the kernel has written out what its files are on.
      const holder = spawn("/usr/bin/flock", [jail.work, "/bin/sh", "-c", "echo locked; read line"]);
      await new Promise((resolve) => holder.stdout.once("data", resolve));
      const started = jail.start(["true"]);
      await eventually(
        "a waiter on the lock",
        () => /->.*FLOCK/.test(readFileSync("/proc/locks", "utf8")) || undefined,
      );
      assert.equal(readFileSync(join(jail.cgroup, "init/cgroup.procs"), "utf8"), "", "nothing is mounted yet");
      holder.stdin.end("\n");
      assert.equal((await (await started).exited).code, 0);
    }));

  test("a process left behind keeps it; its end ends it", () =>
    withJail(async (jail) => {
      const first = await jail.start(["sh", "-c", "sleep 1000 & echo $! > /pid"]);
      const exit = await first.exited;
      assert.deepEqual([exit.code, exit.jailEmpty], [0, false]);
      first.close();
      const { output, jailEmpty } = await jail.runInside(["sh", "-c", "grep PPid /proc/$(cat /pid)/status"]);
      assert.match(output, /PPid:\s+1$/m, "pid 1 has adopted it");
      assert.equal(jailEmpty, false);
      assert.ok(!existsSync(jail.record));
      const kill = await jail.exec(["sh", "-c", "kill -9 $(cat /pid)"]);
      await kill.exited;
      await recorded(jail);
      assert.ok(!populated(jail.cgroup));
    }));

  test("orphans are reaped", () =>
    withJail(async (jail) => {
      const first = await jail.start(["sleep", "1000"]);
      for (let index = 0; index < 5; index++) await jail.runInside(["sh", "-c", "(true & true &) ; (sleep 0.01 &)"]);
      assert.ok(first.pid > 0);
      // Its own zombies: those of the payload cgroup are gone from the list of members, but not from /proc.
      const zombies = `for s in /proc/[0-9]*/stat; do grep -q ") Z" $s 2>/dev/null && echo zombie; done; true`;
      const deadline = Date.now() + 5000;
      let output = "";
      do {
        output = (await jail.runInside(["sh", "-c", zombies])).output;
      } while (output !== "" && Date.now() < deadline);
      assert.equal(output, "");
    }));

  test("a persistent one stays without a process", () =>
    withJail(async (jail) => {
      const first = await jail.start(["true"], { run: { persist: true } });
      assert.equal((await first.exited).jailEmpty, false);
      first.close();
      assert.equal((await jail.runInside(["hostname"])).output, "boxed\n");
      assert.ok(populated(join(jail.cgroup, "init")));
      assert.ok(!existsSync(jail.record));
      writeFileSync(join(jail.cgroup, "cgroup.kill"), "1");
      await recorded(jail);
    }));

  test("it survives the death of the klee that started it", () =>
    withJail(async (jail) => {
      const spec = jail.spec("run", ["sh", "-c", "read line < /fifo"]);
      const prepare = await jail.run(["busybox", "mkfifo", "/fifo"]);
      assert.equal(prepare.code, 0);
      const script = join(import.meta.dirname, "client.ts");
      const client = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(spec)], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const pid = Number(String(await new Promise((resolve) => client.stdout.once("data", resolve))));
      client.kill("SIGKILL");
      await new Promise((resolve) => client.once("exit", resolve));
      process.kill(pid, 0);
      assert.equal((await jail.runInside(["hostname"])).output, "boxed\n");
      assert.ok(!existsSync(jail.record));
      await jail.runInside(["sh", "-c", "echo go > /fifo"]);
      await recorded(jail);
      assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    }));

  test("held descriptors stay open with the supervisor, and nowhere in the container", () =>
    withJail(async (jail) => {
      const held = openSync(join(jail.directory, "lock"), "r");
      const first = await jail.start(["sleep", "1000"], { heldFds: [held] });
      closeSync(held);
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${first.pid}/status`, "utf8"))?.[1];
      assert.match(readFileSync(`/proc/${parent}/fdinfo/6`, "utf8"), /^flags:\s+02?\d*0000$/m);
      assert.ok(!existsSync(`/proc/${first.pid}/fd/6`));
    }));

  test("waiting for an empty cgroup: told at once, and not for ever", () =>
    withJail(async (jail) => {
      const payload = join(jail.cgroup, "payload");
      assert.equal(await waitCgroupEmpty(payload, 1000), true);
      const first = await jail.start(["sleep", "1000"]);
      assert.equal(await waitCgroupEmpty(payload, 20), false);
      const waiting = waitCgroupEmpty(payload, 5000);
      first.signal(9);
      assert.equal(await waiting, true);
      await assert.rejects(waitCgroupEmpty(join(jail.cgroup, "none"), 10), { code: "ENOENT" });
    }));
});
