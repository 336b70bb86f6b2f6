import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, constants, createReadStream, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { needs } from "../support/gate.ts";
import { eventually, type Jail, withJail } from "./jail.ts";

/** Both ends of a fifo, which is a pipe that needs no other process. */
function openPipe(jail: Jail, name: string): Promise<{ readEnd: number; writeEnd: number }> {
  const path = join(jail.directory, name);
  return new Promise((resolve, reject) => {
    spawn("/usr/bin/mkfifo", [path]).once("exit", (code) => {
      if (code !== 0) return reject(new Error("mkfifo"));
      // Read and write first, so that neither open waits for the other.
      const both = openSync(path, "r+");
      const pipe = { readEnd: openSync(path, "r"), writeEnd: openSync(path, "w") };
      closeSync(both);
      resolve(pipe);
    });
  });
}

describe("standard descriptors", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("the payload has pipes of its own, and all that a file holds from its offset on", () =>
    withJail(async (jail) => {
      const input = join(jail.directory, "input");
      writeFileSync(input, "skipped\nread\n");
      const stdin = openSync(input, "r");
      const { output } = await jail.run(
        ["sh", "-c", "read a; read b; echo $b; readlink /proc/self/fd/0; readlink /proc/self/fd/1"],
        {
          stdin,
        },
      );
      closeSync(stdin);
      assert.match(output, /^read\npipe:\[\d+\]\npipe:\[\d+\]\n$/);
    }));

  test("a descriptor that it writes to is let go with it, though its supervisor and pid 1 live on", () =>
    withJail(async (jail) => {
      const { readEnd, writeEnd } = await openPipe(jail, "out");
      const first = await jail.start(["echo", "word"], { stdout: writeEnd, run: { persist: true } });
      closeSync(writeEnd);
      const chunks: Buffer[] = [];
      for await (const chunk of createReadStream("", { fd: readEnd })) chunks.push(chunk as Buffer);
      assert.equal(Buffer.concat(chunks).toString(), "word\n");
      await first.exited;
      assert.deepEqual(await first.copied, []);
    }));

  test("what cannot be written is told, and ends the writer", () =>
    withJail(async (jail) => {
      const full = openSync("/dev/full", "w");
      const first = await jail.start(["sh", "-c", "while :; do echo word; done"], { stdout: full });
      closeSync(full);
      const { signal, code } = await first.exited;
      assert.ok(signal === 13 || code === 1, `${signal} ${code}`);
      assert.deepEqual(
        (await first.copied).map(({ stream, error }) => [stream, error.code]),
        [["stdout", "ENOSPC"]],
      );
    }));

  test("what is piped in ends, too", () =>
    withJail(async (jail) => {
      const { readEnd, writeEnd } = await openPipe(jail, "in");
      writeFileSync(writeEnd, "through\n");
      closeSync(writeEnd);
      const { output } = await jail.run(["cat"], { stdin: readEnd });
      closeSync(readEnd);
      assert.equal(output, "through\n");
    }));

  test("a descriptor that is non-blocking, as Node makes pipes, is blocking for the payload", () =>
    withJail(async (jail) => {
      const { readEnd, writeEnd } = await openPipe(jail, "in");
      const stdin = openSync(`/proc/self/fd/${readEnd}`, constants.O_RDONLY | constants.O_NONBLOCK);
      const flags = (text: string) => Number.parseInt(/^flags:\s+(\d+)$/m.exec(text)?.[1] ?? "", 8);
      assert.ok(flags(readFileSync(`/proc/self/fdinfo/${stdin}`, "utf8")) & constants.O_NONBLOCK);
      const { output } = await jail.run(["cat", "/proc/self/fdinfo/0"], { stdin });
      assert.equal(flags(output) & constants.O_NONBLOCK, 0);
      for (const fd of [stdin, readEnd, writeEnd]) closeSync(fd);
    }));

  test("1 GB of output arrives whole", () =>
    withJail(async (jail) => {
      const blocks = 1024;
      const block = Buffer.alloc(1 << 20, "klee\n");
      writeFileSync(join(jail.image, "block"), block);
      const { readEnd, writeEnd } = await openPipe(jail, "out");
      const line = `i=0; while [ $i -lt ${blocks} ]; do cat /block; i=$((i+1)); done`;
      const first = await jail.start(["sh", "-c", line], { stdout: writeEnd });
      closeSync(writeEnd);
      const got = createHash("sha1");
      let length = 0;
      for await (const chunk of createReadStream("", { fd: readEnd, highWaterMark: 1 << 20 })) {
        got.update(chunk as Buffer);
        length += (chunk as Buffer).length;
      }
      const wanted = createHash("sha1");
      for (let index = 0; index < blocks; index++) wanted.update(block);
      assert.equal(length, blocks * block.length);
      assert.equal(got.digest("hex"), wanted.digest("hex"));
      assert.equal((await first.exited).code, 0);
    }));

  test("no descriptor is left open here", () =>
    withJail(async (jail) => {
      await jail.run(["true"]);
      const before = openDescriptors();
      for (let index = 0; index < 5; index++) {
        const supervised = await jail.start(["true"], { run: { teardown: [] } });
        await supervised.exited;
        supervised.close();
      }
      // The last reader thread closes its copy when it has seen the supervisor's end.
      await eventually("all are closed", () => openDescriptors() <= before || undefined);
    }));
});

function openDescriptors(): number {
  let open = 0;
  for (let fd = 0; fd < 256; fd++) {
    try {
      readFileSync(`/proc/self/fdinfo/${fd}`);
      open++;
    } catch {
      // not open
    }
  }
  return open;
}
