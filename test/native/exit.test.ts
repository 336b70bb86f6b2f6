import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SupervisorError } from "../../src/ffi/native.ts";
import { needs } from "../support/gate.ts";
import { eventually, type Jail, withJail } from "./jail.ts";

/** The failure of a start, and proof that nothing of it is left. */
async function failureOf(jail: Jail, start: Promise<unknown>): Promise<SupervisorError> {
  const error = await start.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SupervisorError, `${error}`);
  assert.match(readFileSync(join(jail.cgroup, "cgroup.events"), "utf8"), /populated 0/);
  return error;
}

describe("how a process ends", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("the exit code is the payload's", () =>
    withJail(async (jail) => {
      const exit = await jail.run(["sh", "-c", "exit 42"]);
      assert.deepEqual([exit.code, exit.signal, exit.jailEmpty], [42, undefined, true]);
    }));

  test("a signal reaches the payload, and is how it ended", () =>
    withJail(async (jail) => {
      const sleeper = await jail.start(["sleep", "1000"]);
      sleeper.signal(15);
      const exit = await sleeper.exited;
      assert.deepEqual([exit.code, exit.signal, exit.jailEmpty], [undefined, 15, true]);
    }));

  test("what klee's own process ignores or blocks is not ignored in the container", () =>
    withJail(async (jail) => {
      // Without a shell, which ignores some signals itself.
      const status = (await jail.run(["cat", "/proc/self/status"])).output;
      assert.match(status, /^SigBlk:\s+0{16}$/m);
      assert.match(status, /^SigIgn:\s+0{16}$/m);
    }));

  test("a missing command is ENOENT at execve", () =>
    withJail(async (jail) => {
      const error = await failureOf(jail, jail.start(["no-such-command"]));
      assert.deepEqual([error.step, error.object, error.code], ["execve", "no-such-command", "ENOENT"]);
      assert.equal(error.message, "execve no-such-command: ENOENT (No such file or directory)");
    }));

  test("a file without permission and a directory are EACCES", () =>
    withJail(async (jail) => {
      writeFileSync(join(jail.image, "bin/data"), "text");
      chmodSync(join(jail.image, "bin/data"), 0o644);
      mkdirSync(join(jail.image, "bin/directory"));
      for (const name of ["data", "directory", "/bin/data"]) {
        const error = await failureOf(jail, jail.start([name]));
        assert.deepEqual([error.step, error.code], ["execve", "EACCES"], name);
      }
    }));

  test("the command is searched in the PATH given", () =>
    withJail(async (jail) => {
      mkdirSync(join(jail.image, "own"));
      writeFileSync(join(jail.image, "own/hello"), "#!/bin/sh\necho hello $0\n", { mode: 0o755 });
      const { output } = await jail.run(["hello"], { process: { env: ["PATH=/none:/own:/bin"] } });
      assert.equal(output, "hello /own/hello\n");
    }));

  test("a failed step is named, with its object and errno", () =>
    withJail(async (jail) => {
      const root = { ...jail.runSpec().root, lower: [join(jail.directory, "missing")] };
      const overlay = await failureOf(jail, jail.start(["true"], { run: { root } }));
      assert.deepEqual([overlay.step, overlay.object, overlay.code], ["mount overlay", jail.mountpoint, "ENOENT"]);

      const mounts = [{ source: "/no/such/source", destination: "/mnt", read_only: true }];
      const bind = await failureOf(jail, jail.start(["true"], { run: { mounts } }));
      assert.deepEqual([bind.step, bind.object, bind.code], ["open_tree", "/no/such/source", "ENOENT"]);

      const user = await failureOf(jail, jail.start(["true"], { process: { user: "nobody" } }));
      assert.deepEqual([user.step, user.object, user.errno], ["user", "nobody", 0]);
      assert.equal(user.message, "user nobody: no such user in the container's /etc/passwd");

      const descriptor = await failureOf(jail, jail.start(["true"], { stdin: 9999 }));
      assert.equal(descriptor.code, "EBADF");

      const inside = await failureOf(jail, jail.exec(["true"]));
      assert.match(inside.message, /the container is not running/);

      assert.equal((await jail.run(["true"])).code, 0, "and after all that it can still be started");
    }));

  test("paths with the overlay parser's own characters", () =>
    withJail(async (jail) => {
      const upper = join(jail.directory, "a:b,c\\d");
      mkdirSync(upper);
      const root = { ...jail.runSpec().root, upper };
      assert.equal((await jail.run(["touch", "/made"], { run: { root } })).code, 0);
      assert.equal(readFileSync(join(upper, "made"), "utf8"), "");
    }));

  test("the end of the supervisor is not taken for the end of the process", () =>
    withJail(async (jail) => {
      const sleeper = await jail.start(["sleep", "1000"]);
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${sleeper.pid}/status`, "utf8"))?.[1];
      process.kill(Number(parent), "SIGKILL");
      await assert.rejects(sleeper.exited, /supervisor .* ended unexpectedly/);
      assert.match(readFileSync(join(jail.cgroup, "payload/cgroup.events"), "utf8"), /populated 1/);
    }));

  test("no zombie is left of a supervisor", () =>
    withJail(async (jail) => {
      const children = () => readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
      const before = children();
      const payload = await jail.start(["true"], { run: { teardown: [] } });
      await payload.exited;
      assert.notEqual(children(), before, "it waits for its client");
      payload.close();
      await eventually("its end", () => children() === before || undefined);
    }));
});
