import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shareByte, sharedAmong } from "../../../src/ffi/linux/byte-locks.ts";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

test("bytes are shared for as long as a copy of the descriptor is open, and told of, each by itself", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "bytes");
  const far = 0xf0123456789a;
  const shared = () => sharedAmong(path, [far, 7, 8]);
  assert.deepEqual(shared(), new Set());
  assert.equal(existsSync(path), false);
  const first = shareByte(path, far);
  const second = shareByte(path, 7);
  const again = shareByte(path, 7);
  const elsewhere = shareByte(join(directory.path, "other"), 8);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual([...shared()].sort(), [7, far].sort());
  second.close();
  assert.deepEqual([...shared()].sort(), [7, far].sort());
  again.close();
  const holder = spawn("sleep", ["1000"], { stdio: ["ignore", "ignore", "ignore", first.number] });
  await once(holder, "spawn");
  first.close();
  assert.deepEqual(shared(), new Set([far]), "the other process has it");
  holder.kill("SIGKILL");
  await once(holder, "exit");
  assert.deepEqual(shared(), new Set());
  elsewhere.close();
  assert.deepEqual(openDescriptors(), []);
});

test("a link in place of the file is refused, and the lock is not passed on to programs", () => {
  using directory = temporaryDirectory();
  symlinkSync("/etc/passwd", join(directory.path, "link"));
  assert.throws(() => shareByte(join(directory.path, "link"), 1), { code: "ELOOP" });
  using _held = shareByte(join(directory.path, "bytes"), 1);
  const { stdout } = spawnSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" });
  assert.ok(!stdout.includes("bytes"), stdout);
});
