import assert from "node:assert/strict";
import { test } from "node:test";
import { usleep } from "../../src/ffi/linux/libc.ts";
import { askWithRoom, Backoff, retry } from "../../src/ffi/retry.ts";

test("a backoff lasts for its time, many short pauses long, and no longer", () => {
  const start = performance.now();
  const backoff = new Backoff(200, usleep);
  let pauses = 0;
  while (backoff.pause()) pauses++;
  const taken = performance.now() - start;
  assert.ok(taken >= 200, `${taken} ms`);
  // No pause is longer than 20 ms; a busy machine may wake us later.
  assert.ok(pauses >= 3, `${pauses} pauses`);
  assert.equal(backoff.pause(), false);
});

test("no time is no pause", () => {
  assert.equal(new Backoff(0, usleep).pause(), false);
});

test("what fails in passing is tried again, so many times and no more", () => {
  const failing = (times: number) => {
    let tries = 0;
    const work = (): number => {
      tries++;
      if (tries <= times) throw new Error(`try ${tries}`);
      return tries;
    };
    return work;
  };
  assert.equal(
    retry(3, () => true, failing(2)),
    3,
  );
  assert.throws(() => retry(3, () => true, failing(3)), /try 3/);
  assert.throws(() => retry(3, () => false, failing(2)), /try 1/);
});

test("a list is asked for with more room while it grows", () => {
  const rooms: number[] = [];
  const growing = (room: number) => {
    rooms.push(room);
    return { count: rooms.length * 2, items: Array.from({ length: room }, (_, index) => index) };
  };
  assert.deepEqual(askWithRoom(2, 1, growing), [0, 1]);
  assert.deepEqual(rooms, [1, 2]);
  assert.deepEqual(
    askWithRoom(8, 4, () => ({ count: 3, items: ["a", "b", "c", "room"] })),
    ["a", "b", "c"],
  );
});
