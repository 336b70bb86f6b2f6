import assert from "node:assert/strict";
import { test } from "node:test";
import { KleeError, type KleeErrorCode } from "../../../src/kleene/errors.ts";
import { FakeCli, klee } from "./fake.ts";
import { hungryKnuth } from "./samples.ts";

const statuses: Record<KleeErrorCode, { readonly own: number; readonly payload: number }> = {
  INVALID: { own: 2, payload: 125 },
  NOT_FOUND: { own: 1, payload: 125 },
  AMBIGUOUS: { own: 1, payload: 125 },
  CONFLICT: { own: 1, payload: 125 },
  UNSUPPORTED: { own: 1, payload: 125 },
  PERMISSION: { own: 1, payload: 125 },
  HOST: { own: 1, payload: 125 },
  COMMAND_NOT_FOUND: { own: 127, payload: 127 },
  COMMAND_NOT_EXECUTABLE: { own: 126, payload: 126 },
};

for (const [code, { own, payload }] of Object.entries(statuses)) {
  test(`${code}: ${own}, or ${payload} where a command's status is passed on`, async () => {
    const fail = () => Promise.reject(new KleeError(code as KleeErrorCode, "it\n  failed"));
    const containers = {
      create: async () => hungryKnuth,
      start: fail,
      exec: fail,
      inspect: fail,
      restart: fail,
      stop: fail,
    };
    for (const [argv, expected] of [
      [["isc", "x"], own],
      [["stop", "x"], own],
      [["restart", "x"], own],
      [["start", "-d", "x"], own],
      [["start", "x"], own],
      [["exec", "x", "ls"], payload],
      [["exec", "-d", "x", "ls"], payload],
      [["container", "run", "x"], payload],
    ] as const) {
      const { status, stderr } = await klee({ containers }, argv);
      assert.equal(status, expected, argv.join(" "));
      assert.equal(stderr.split("\n").at(-2), "klee: it failed");
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });
}

const usage: readonly (readonly [argv: string, status: number, message: string, command: string])[] = [
  ["network create", 2, "missing required argument 'name'", "klee network create"],
  ["network create a b", 2, "too many arguments for 'create'. Expected 1 argument but got 2.", "klee network create"],
  ["lsn --bogus", 2, "unknown option '--bogus'", "klee lsn"],
  ["zzzzzz", 2, "unknown command 'zzzzzz'", "klee"],
  ["pull x", 2, "unknown command 'pull'; it is 'klee image create fetch'", "klee"],
  ["update x", 2, "unknown command 'update'; it is 'klee container update'", "klee"],
  [
    "prune",
    2,
    "unknown command 'prune'; it is 'klee network prune' or 'klee container prune' or 'klee image prune' or 'klee volume prune'",
    "klee",
  ],
  ["satrt x", 2, "unknown command 'satrt' (Did you mean start?)", "klee"],
  ["push x", 2, "unknown command 'push'", "klee"],
  ["help nosuch", 2, "unknown command 'nosuch'", "klee help"],
  ["help network creat", 2, "unknown command 'creat' (Did you mean create?)", "klee help"],
  ["network inspec x", 2, "unknown command 'inspec' (Did you mean inspect?)", "klee network"],
  [
    "lsc --format xml",
    2,
    "option '--format <format>' argument 'xml' is invalid. Allowed choices are table, json.",
    "klee lsc",
  ],
  ["lsc -q --format json", 2, "option '-q, --quiet' cannot be used with option '--format <format>'", "klee lsc"],
  ["run --bogus FreeBSD", 125, "unknown option '--bogus'", "klee run"],
  ["container exec", 125, "missing required argument 'container'", "klee container exec"],
  ["create", 2, "missing required argument 'image'", "klee create"],
];

for (const [argv, status, message, command] of usage) {
  test(`usage: klee ${argv}`, async () => {
    const cli = new FakeCli();
    assert.deepEqual(await cli.run(...argv.split(" ")), {
      status,
      stdout: "",
      stderr: `klee: ${message} (see '${command} --help')\n`,
    });
    assert.deepEqual(cli.opened, []);
  });
}

test("an unexpected exception is one line too", async () => {
  const inspect = () => Promise.reject(new TypeError("cannot read properties of undefined"));
  const { status, stderr } = await klee({ containers: { inspect } }, ["isc", "x"]);
  assert.deepEqual([status, stderr], [1, "klee: cannot read properties of undefined\n"]);
});

test("KLEE_DEBUG=1 shows what caused it", async () => {
  const cause = new Error("RTM_NEWADDR: EEXIST");
  const inspect = () => Promise.reject(new KleeError("HOST", "cannot add", { cause }));
  const { stderr } = await klee({ containers: { inspect } }, ["isc", "x"], { environment: { KLEE_DEBUG: "1" } });
  assert.match(
    stderr,
    /^klee: cannot add\nKleeError: cannot add\n +at [\s\S]*\ncaused by Error: RTM_NEWADDR: EEXIST\n +at /,
  );
});

test("several arguments: all are tried, each failure is reported", async () => {
  const remove = async (reference: string) => {
    if (reference !== "b") throw new KleeError("INVALID", `${reference} is bad`);
    return "b-id";
  };
  const { status, stdout, stderr } = await klee({ networks: { remove } }, ["rmn", "a", "b", "c"]);
  assert.deepEqual([status, stdout, stderr], [2, "b-id\n", "klee: a is bad\nklee: c is bad\n"]);
  assert.equal((await klee({ networks: { remove } }, ["rmn", "a"])).status, 2, "as of one alone");
});

test("help and the version open nothing and succeed", async () => {
  for (const argv of [
    ["--help"],
    ["run", "--help"],
    ["help", "run"],
    ["help", "network", "create"],
    ["network"],
    ["system"],
    ["--version"],
    [],
  ]) {
    const cli = new FakeCli();
    const { status, stdout, stderr } = await cli.run(...argv);
    assert.deepEqual([status, stderr], [0, ""], argv.join(" "));
    assert.match(stdout, argv[0] === "--version" ? /^\d+\.\d+\.\d+\n$/ : /^Usage: klee /);
    assert.deepEqual(cli.opened, []);
  }
});

test("the internal commands are not listed", async () => {
  const cli = new FakeCli();
  await cli.run("--help");
  await cli.run("system");
  assert.doesNotMatch(cli.stdout, /teardown|__complete/);
});

test("help of a command is the same, however it is asked for", async () => {
  const asked = await klee({}, ["help", "network", "create"]);
  assert.match(asked.stdout, /^Usage: klee network create /);
  assert.equal(asked.stdout, (await klee({}, ["network", "create", "--help"])).stdout);
  assert.equal((await klee({}, ["help"])).stdout, (await klee({}, ["--help"])).stdout);
});
