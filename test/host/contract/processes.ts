import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
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

  test("a lock is held by one at a time, and its file is made", async () => {
    const path = join(folder(), "lock");
    const order: string[] = [];
    const first = await host.lock(path);
    assert(existsSync(path));
    const second = host.lock(path).then((lock) => {
      order.push("second");
      lock[Symbol.dispose]();
    });
    await new Promise((resolve) => setImmediate(resolve));
    order.push("first");
    first[Symbol.dispose]();
    await second;
    assert.deepEqual(order, ["first", "second"]);
  });
}
