import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { after, test } from "node:test";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { openProcess, sendSignal, waitExit } from "../../../src/ffi/linux/pidfd.ts";

const { SIGKILL, SIGTERM } = constants.signals;

after(() => assert.deepEqual(openDescriptors(), []));

test("the end of a process that is nobody's child here is waited for, and the event loop goes on meanwhile", async () => {
  // The shell ends at once: its sleep is init's from then on.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $!"], { stdio: ["ignore", "pipe", "inherit"] });
  const [pid] = (await once(shell.stdout, "data")) as [Buffer];
  using sleep = openProcess(Number(pid.toString()));
  assert.equal(await waitExit(sleep, 50), false, "it still sleeps");
  let turns = 0;
  const turning = setInterval(() => turns++, 5);
  const ended = waitExit(sleep);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(turns > 5, `${turns} turns of the event loop`);
  assert.equal(sendSignal(sleep, SIGTERM), true);
  assert.equal(await ended, true);
  clearInterval(turning);
  // Told as often as it is asked for.
  assert.equal(await waitExit(sleep, 0), true);
});

test("a descriptor goes on naming its process: one that has ended gets no signal", async () => {
  const child = spawn("sleep", ["60"]);
  const pid = child.pid ?? 0;
  using process = openProcess(pid);
  assert.equal(sendSignal(process, 0), true);
  const exited = once(child, "exit");
  assert.equal(sendSignal(process, SIGKILL), true);
  await exited;
  assert.equal(sendSignal(process, 0), false);
  assert.throws(() => openProcess(pid), { call: "pidfd_open", object: String(pid), code: "ESRCH" });
});

test("what is no signal is an error that names the process", async () => {
  const child = spawn("sleep", ["60"]);
  using process = openProcess(child.pid ?? 0);
  assert.throws(() => sendSignal(process, 1000), {
    message: `pidfd_send_signal process ${child.pid} 1000: EINVAL (Invalid argument)`,
  });
  child.kill("SIGKILL");
  await once(child, "exit");
});

test("a descriptor that is closed is not waited for", async () => {
  const child = spawn("sleep", ["60"]);
  const process = openProcess(child.pid ?? 0);
  process.close();
  await assert.rejects(waitExit(process, 1000), { call: "poll", code: "EBADF" });
  child.kill("SIGKILL");
  await once(child, "exit");
});
