import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { lockFile, tryLock } from "../../../src/ffi/linux/flock.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** flock(1) of util-linux, an independent holder. It holds the lock until its input ends. */
async function holdElsewhere(path: string): Promise<ChildProcess> {
  const child = spawn("flock", [path, "sh", "-c", "echo held; cat"], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

async function release(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.stdin?.end();
  await exited;
}

test("a lock excludes other holders until it is disposed; the file is for its owner alone", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "lock");
  const lock = await lockFile(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(tryLock(path), undefined);
  lock[Symbol.dispose]();
  const second = tryLock(path);
  assert.notEqual(second, undefined);
  second?.[Symbol.dispose]();
  assert.deepEqual(openDescriptors(), []);
});

test("waiting for another process's lock leaves the event loop running, however many wait", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "lock");
  const holder = await holdElsewhere(path);
  assert.equal(tryLock(path), undefined);
  const order: string[] = [];
  const waiters = Array.from({ length: 8 }, async () => {
    using _lock = await lockFile(path);
    order.push("locked");
  });
  // File operations need pool threads: they come through although eight wait.
  const { readFile } = await import("node:fs/promises");
  await readFile("/proc/self/stat");
  order.push("released");
  await release(holder);
  await Promise.all(waiters);
  assert.deepEqual(order, ["released", ...Array.from({ length: 8 }, () => "locked")]);
  assert.deepEqual(openDescriptors(), []);
});

test("the lock is not passed on to programs that are executed", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "lock");
  const lock = tryLock(path);
  const child = spawn("cat", [], { stdio: ["pipe", "ignore", "inherit"] });
  await once(child, "spawn");
  lock?.[Symbol.dispose]();
  const again = tryLock(path);
  assert.notEqual(again, undefined);
  again?.[Symbol.dispose]();
  await release(child);
});

test("whoever waited for a file that was removed meanwhile gets the lock on the new one", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "lock");
  const first = await lockFile(path);
  const waiting = lockFile(path);
  unlinkSync(path);
  first[Symbol.dispose]();
  const second = await waiting;
  assert.ok(existsSync(path));
  assert.equal(tryLock(path), undefined);
  second[Symbol.dispose]();
});

test("a symbolic link in the file's place is refused, its target untouched", async () => {
  using directory = temporaryDirectory();
  const [target, path] = [join(directory.path, "target"), join(directory.path, "lock")];
  symlinkSync(target, path);
  await assert.rejects(lockFile(path), /^SyscallError: open .*lock: ELOOP/);
  assert.throws(() => tryLock(path), /ELOOP/);
  assert.equal(existsSync(target), false);
});

test("a lock ends with its process", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "lock");
  const holder = await holdElsewhere(path);
  const waiting = lockFile(path);
  await release(holder);
  (await waiting)[Symbol.dispose]();
  assert.equal(readFileSync(path, "utf8"), "");
});
