/** Locks, without a kernel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { acquire } from "../../src/kleene/locks.ts";

test("one who cannot say who it is takes no lock that it would leave behind", async () => {
  let taken = 0;
  const host = {
    tryLock() {
      taken += 1;
      return { number: -1, [Symbol.dispose]: () => undefined };
    },
    processIdentity(): string {
      throw new Error("the kernel does not say");
    },
    isStopped: () => false,
    resumeProcess: () => undefined,
  };
  const request = { path: "/nosuch/lock", of: "a test", workingMs: 10, stoppedMs: 10 };
  await assert.rejects(acquire(host, request), /does not say/);
  assert.equal(taken, 0);
});
