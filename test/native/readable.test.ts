/** Waiting for a descriptor, on a thread of its own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { waitReadable } from "../../src/ffi/native.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("a pipe is waited for: with a deadline, without one, and after its number was closed", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "pipe");
  execFileSync("mkfifo", [path]);
  const number = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const pipe = { number, object: "pipe" };
  const began = performance.now();
  assert.equal(await waitReadable(pipe, 30), false);
  assert.ok(performance.now() - began >= 29);
  assert.equal(await waitReadable(pipe, -1), false);
  setTimeout(() => writeSync(number, "a"), 30);
  assert.equal(await waitReadable(pipe, Number.POSITIVE_INFINITY), true);
  assert.equal(await waitReadable(pipe, 0), true);
  const other = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const waiting = waitReadable(pipe, 5000);
  closeSync(number);
  assert.equal(await waiting, true);
  closeSync(other);
  await assert.rejects(waitReadable(pipe, 5000), { code: "EBADF", message: /^poll pipe: EBADF/ });
});

test("what was waited for is let go of", async () => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  const before = open();
  const number = openSync("/dev/null", "r");
  for (let count = 0; count < 20; count++) assert.equal(await waitReadable({ number, object: "null" }, 100), true);
  closeSync(number);
  assert.equal(open(), before);
});
