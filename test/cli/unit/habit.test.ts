/** Commands that hands type from habit: the same as klee's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KleeError } from "../../../src/kleene/errors.ts";
import { klee, type Parts } from "./fake.ts";
import { data, freebsd, hungryKnuth, listings, testnet } from "./samples.ts";

const missing = async (reference: string): Promise<never> => {
  throw new KleeError("NOT_FOUND", `not found: ${reference}`);
};
const container = { container: hungryKnuth, container_endpoints: [], container_mountpoints: [] };
const network = { network: testnet, network_endpoints: [] };
const parts = {
  containers: {
    list: async () => listings,
    inspect: async (reference: string) => (reference === "web" ? container : missing(reference)),
    rename: async () => hungryKnuth,
  },
  images: {
    list: async () => [freebsd],
    inspect: async (reference: string) => (reference === "FreeBSD" ? freebsd : missing(reference)),
  },
  volumes: {
    inspect: async (name: string) => (name === "data" ? { mountpoints: [], volume: data } : missing(name)),
  },
  networks: { inspect: async (reference: string) => (reference === "testnet" ? network : missing(reference)) },
} satisfies Parts;

for (const [habit, own] of [
  ["ps -a", "lsc -a"],
  ["ps -q", "lsc -q"],
  ["images", "lsi"],
  ["rename web www", "container rename web www"],
  ["port web", "container port web"],
  ["version", "--version"],
  ["inspect web", "isc web"],
  ["inspect FreeBSD", "isi FreeBSD"],
  ["inspect testnet", "isn testnet"],
  ["inspect data", "isv data"],
] as const)
  test(`klee ${habit} is klee ${own}`, async () => {
    const typed = await klee(parts, habit.split(" "));
    assert.equal(typed.status, 0, typed.stderr);
    assert.deepEqual(typed, await klee(parts, own.split(" ")));
  });

test("inspect: several, of one kind alone, and what there is not", async () => {
  const several = await klee(parts, ["inspect", "testnet", "nosuch", "FreeBSD"]);
  assert.equal(several.status, 1);
  assert.match(several.stdout, /"network_endpoints"[\s\S]*"instructions"/);
  assert.equal(several.stderr, "klee: no such container, image, network or volume: nosuch\n");
  const typed = await klee(parts, ["inspect", "--type", "image", "web"]);
  assert.deepEqual([typed.status, typed.stderr], [1, "klee: no such image: web\n"]);
  assert.equal((await klee(parts, ["inspect", "--type", "jail", "web"])).status, 2);
});
