import assert from "node:assert/strict";
import { test } from "node:test";
import { usleep } from "../../src/ffi/linux/libc.ts";
import { Patience } from "../../src/ffi/patience.ts";

test("patience lasts for its time, many short pauses long, and no longer", () => {
  const start = performance.now();
  const patience = new Patience(200, usleep);
  let pauses = 0;
  while (patience.pause()) pauses++;
  const taken = performance.now() - start;
  assert.ok(taken >= 200, `${taken} ms`);
  // No pause is longer than 20 ms; a busy machine may wake us later.
  assert.ok(pauses >= 3, `${pauses} pauses`);
  assert.equal(patience.pause(), false);
});

test("no patience is no pause", () => {
  assert.equal(new Patience(0, usleep).pause(), false);
});
