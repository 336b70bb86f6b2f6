import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseLocks, shareByte, sharedBytes } from "../../../src/ffi/linux/byte-locks.ts";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

test("bytes are shared for as long as a copy of the descriptor is open, and found by one look", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "bytes");
  assert.deepEqual(sharedBytes(path), new Set());
  assert.equal(existsSync(path), false);
  const far = 0xf0123456789a;
  const first = shareByte(path, far);
  const second = shareByte(path, 7);
  const again = shareByte(path, 7);
  const elsewhere = shareByte(join(directory.path, "other"), 8);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual([...sharedBytes(path)].sort(), [7, far].sort());
  second.close();
  assert.deepEqual([...sharedBytes(path)].sort(), [7, far].sort());
  again.close();
  const holder = spawn("sleep", ["1000"], { stdio: ["ignore", "ignore", "ignore", first.number] });
  await once(holder, "spawn");
  first.close();
  assert.deepEqual(sharedBytes(path), new Set([far]), "the other process has it");
  holder.kill("SIGKILL");
  await once(holder, "exit");
  assert.deepEqual(sharedBytes(path), new Set());
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

test("other locks, other files and who waits are no holders", () => {
  const text = [
    "1: OFDLCK ADVISORY  READ -1 fe:00:77 5 5",
    "1: -> OFDLCK ADVISORY  READ -1 fe:00:77 6 6",
    "2: OFDLCK ADVISORY  READ -1 fe:00:78 7 7",
    "3: OFDLCK ADVISORY  READ -1 fe:00:77 8 EOF",
    "4: OFDLCK ADVISORY  READ -1 fe:00:77 9 10",
    "5: FLOCK  ADVISORY  WRITE 4711 fe:00:77 0 EOF",
    "6: POSIX  ADVISORY  READ 4711 fe:00:77 11 11",
    "7: OFDLCK ADVISORY  READ 0 00:1f:77 12 12",
  ].join("\n");
  assert.deepEqual(parseLocks(text, 77), [5, 12]);
});
