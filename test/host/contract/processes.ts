import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { acquire, LockHeld, NO_WAIT } from "../../../src/kleene/locks.ts";
import { waitUntil } from "../../support/machine.ts";
import type { World } from "./world.ts";

/** What the domain relies on to tell its own processes and boots apart. */
export function processesContract({ host, folder }: World): void {
  test("a boot has a name that stays", () => {
    assert.match(host.bootId(), /^\S+$/);
    assert.equal(host.bootId(), host.bootId());
  });

  test("a process is alive while it runs; neither its end nor another process of its pid is taken for it", async () => {
    const identity = host.processIdentity();
    assert.equal(host.isAlive(identity), true);
    assert.equal(host.isAlive(`${identity}0`), false);
    const child = spawn("true");
    const [pid] = [child.pid];
    await once(child, "exit");
    assert.equal(host.isAlive(identity.replace(String(process.pid), String(pid))), false);
  });

  test("a lock is held by one at a time; its file is made, or is not", () => {
    const path = join(folder(), "lock");
    assert.equal(host.tryLock(path, false), "absent");
    const first = host.tryLock(path, true);
    assert(typeof first === "object" && existsSync(path));
    assert.equal(host.tryLock(path, true), "held");
    assert.equal(host.tryLock(path, false), "held");
    first[Symbol.dispose]();
    const second = host.tryLock(path, false);
    assert(typeof second === "object");
    second[Symbol.dispose]();
  });

  test("who waits for a lock has it when it is free, or hears who has it", async () => {
    const request = { path: join(folder(), "lock"), of: "the thing", workingMs: 10_000, stoppedMs: 10_000 };
    const first = await acquire(host, request);
    const order: string[] = [];
    const second = acquire(host, request).then((lock) => {
      order.push("second");
      lock?.[Symbol.dispose]();
    });
    await setTimeout(100);
    order.push("first");
    first?.[Symbol.dispose]();
    await second;
    assert.deepEqual(order, ["first", "second"]);
    using _held = await acquire(host, request);
    await assert.rejects(
      acquire(host, { ...request, workingMs: 100 }),
      new RegExp(`^KleeError: the thing is being changed by process ${process.pid} \\('.*'\\) for 0 s: wait for it`),
    );
    await assert.rejects(acquire(host, { ...request, ...NO_WAIT }), LockHeld);
    assert.equal(await acquire(host, { ...request, path: `${request.path}2`, make: false }), undefined);
  });

  test("a process that is stopped is told from one that runs, and can be continued", async () => {
    assert.equal(host.isStopped(host.processIdentity()), false);
    const identity = host.startLater("aaaabbbbcccc", 600_000, ["/bin/true"]);
    assert.equal(host.isStopped(identity), false);
    process.kill(Number(identity.split(":")[0]), "SIGSTOP");
    waitUntil(() => host.isStopped(identity), "it to be stopped");
    host.resumeProcess(identity);
    waitUntil(() => !host.isStopped(identity), "it to go on");
    assert.equal(host.isStopped(`${identity}0`), false, "another process of its pid");
    host.endProcess(identity);
    waitUntil(() => !host.isAlive(identity), "its end");
    assert.equal(host.isStopped(identity), false);
    host.resumeProcess(identity);
  });
}
