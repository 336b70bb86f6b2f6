import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeCli, klee, type Parts, recorder } from "./fake.ts";

const prunes: readonly (readonly [argv: string, parts: Parts, what: string])[] = [
  ["network prune", { networks: { prune: async () => ["a", "b"] } }, "all unused networks"],
  ["container prune", { containers: { prune: async () => ["a", "b"] } }, "all stopped containers"],
  ["image prune", { images: { prune: async () => ["a", "b"] } }, "all unused images without a name"],
  ["image prune -a", { images: { prune: async () => ["a", "b"] } }, "all unused images"],
  [
    "system cleanup",
    { system: { cleanup: async () => ["a", "b"] } },
    "all containers, networks, images and volumes of klee on this host",
  ],
];

for (const [line, parts, what] of prunes) {
  const argv = line.split(" ");
  const prompt = `WARNING! This will remove ${what}.\nAre you sure you want to continue? [y/N]: `;

  test(`klee ${line} asks first`, async () => {
    for (const answer of ["y", "Y", " yes "]) {
      assert.deepEqual(await klee(parts, argv, { input: [answer] }), { status: 0, stdout: "a\nb\n", stderr: prompt });
    }
    for (const input of [[""], ["n"], ["yesterday"], []]) {
      const cli = new FakeCli({}, { input });
      assert.deepEqual(await cli.run(...argv), { status: 1, stdout: "", stderr: `${prompt}Aborted!\n` });
      assert.deepEqual(cli.opened, []);
    }
  });

  test(`klee ${line} -f does not ask, and without a terminal the answer comes from where input does`, async () => {
    const terminals: number[] = [];
    assert.deepEqual(await klee(parts, [...argv, "-f"], { terminals }), { status: 0, stdout: "a\nb\n", stderr: "" });
    const answered = await klee(parts, argv, { terminals, input: ["y"] });
    assert.deepEqual(answered, { status: 0, stdout: "a\nb\n", stderr: prompt });
    for (const input of [["n"], []]) {
      const cli = new FakeCli({}, { terminals, input });
      const { status, stdout, stderr } = await cli.run(...argv);
      assert.deepEqual([status, stdout], [1, ""]);
      assert.equal(stderr, `${prompt}\nAborted! Nobody answered yes: give -f to go on without being asked.\n`);
      assert.deepEqual(cli.opened, []);
    }
  });
}

test("image prune passes -a on", async () => {
  const { calls, record } = recorder<[{ readonly all: boolean }], readonly string[]>([]);
  await klee({ images: { prune: record } }, ["image", "prune", "-f"]);
  await klee({ images: { prune: record } }, ["image", "prune", "-af"]);
  assert.deepEqual(calls, [[{ all: false }], [{ all: true }]]);
});

test("rm passes -f on", async () => {
  const { calls, record } = recorder<[string, { readonly force: boolean }], string>("id");
  await klee({ containers: { remove: record } }, ["rmc", "a"]);
  await klee({ containers: { remove: record } }, ["container", "rm", "-f", "a", "b"]);
  assert.deepEqual(calls, [
    ["a", { force: false }],
    ["a", { force: true }],
    ["b", { force: true }],
  ]);
});

test("system check prints the problems, and fails if there are any", async () => {
  const problems = (found: string[], notes: string[] = []) =>
    klee({ system: { check: async () => found, advice: () => notes } }, ["system", "check"]);
  assert.deepEqual(await problems([]), { status: 0, stdout: "", stderr: "" });
  assert.deepEqual(await problems(["no cgroup2"]), { status: 1, stdout: "no cgroup2\n", stderr: "" });
  assert.deepEqual(await problems([], ["a word"]), { status: 0, stdout: "note: a word\n", stderr: "" });
});

test("system teardown passes both ids on", async () => {
  const { calls, record } = recorder<[string, string], void>(undefined);
  const { status } = await klee({ system: { teardown: record } }, ["--root", "/r", "system", "teardown", "c", "e"]);
  assert.deepEqual([status, calls], [0, [["c", "e"]]]);
});
