import assert from "node:assert/strict";
import { test } from "node:test";
import { randomName } from "../../src/kleene/container/names.ts";
import { KleeError } from "../../src/kleene/errors.ts";
import { checkName } from "../../src/kleene/identity.ts";

const PLAIN = /^[a-z]+_[a-z]+$/;

test("a name is an adjective and a surname that every klee command accepts", () => {
  for (let count = 0; count < 500; count++) {
    const name = randomName(() => false);
    assert.match(name, PLAIN);
    checkName("container", name);
  }
});

test("names come from lists large enough to differ: about 10000 pairs", () => {
  const names = new Set<string>();
  for (let count = 0; count < 60_000; count++) names.add(randomName(() => false));
  const adjectives = new Set([...names].map((name) => name.split("_")[0]));
  const surnames = new Set([...names].map((name) => name.split("_")[1]));
  assert.ok(adjectives.size >= 90, `${adjectives.size} adjectives`);
  assert.ok(surnames.size >= 90, `${surnames.size} surnames`);
});

test("a taken name is never returned", () => {
  const taken = new Set<string>();
  for (let count = 0; count < 2000; count++) {
    const name = randomName((candidate) => taken.has(candidate));
    assert.ok(!taken.has(name), name);
    taken.add(name);
  }
});

test("when all plain names are taken the lowest free number is appended", () => {
  assert.match(
    randomName((name) => PLAIN.test(name)),
    /^[a-z]+_[a-z]+1$/,
  );
  assert.match(
    randomName((name) => !/[a-z]12$/.test(name)),
    /^[a-z]+_[a-z]+12$/,
  );
});

test("a store that takes everything gets an error, not an endless search", () => {
  assert.throws(
    () => randomName(() => true),
    (error) => error instanceof KleeError && error.code === "CONFLICT" && error.message.includes("--name"),
  );
});
