import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { Store } from "../../src/kleene/store/store.ts";
import { compiled } from "../support/compile.ts";
import { before, needs } from "../support/gate.ts";
import { kleeCommand, Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const slowLog = compiled(new URL("slow-wal.c", import.meta.url), "gnu11", "-shared", "-fPIC");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

interface Event {
  readonly time: string;
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly name: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const parse = (text: string): Event[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const brief = (events: readonly Event[]): string[] =>
  events.map(({ type, action, name }) => `${type} ${action} ${name}`);

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
});

/** A klee that tells what happens, and has begun to. */
function follower() {
  const stream = machine.startKlee(["events", "--format", "json"]);
  // It tells of what comes after it has begun: until then, this makes something come.
  waitUntil(() => {
    ok("image", "tag", "box", "other");
    ok("image", "tag", "other", "box");
    return stream.output() !== "";
  }, "the stream");
  return stream;
}

test("each change is told once, in order, with who it concerns", gate, () => {
  const began = new Date().toISOString();
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  assert.equal(machine.klee(["run", "-n", "net", "--name", "job", "box", "sh", "-c", "exit 3"]).status, 3);
  ok("container", "rename", "job", "done");
  const { id } = JSON.parse(ok("isc", "done")).container;
  ok("rmc", "done");
  ok("network", "rm", "net");
  const events = parse(ok("events", "--since", "1h", "--no-follow", "--format", "json"));
  assert.deepEqual(brief(events), [
    "image create box:latest",
    "network create net",
    "container create job",
    "network connect net",
    "container start job",
    "container end job",
    "container rename done",
    "network disconnect net",
    "container remove done",
    "network remove net",
  ]);
  const detailsOf = (action: string) => events.find((event) => event.action === action)?.details;
  assert.deepEqual(detailsOf("connect"), { container: id });
  assert.deepEqual(detailsOf("end"), { exit_code: 3 });
  assert.match(String(detailsOf("start")?.execution), /^[0-9a-f]{12}$/);
  assert.ok(events.every(({ time }) => time >= began && time <= new Date().toISOString()));
  const text = ok("system", "events", "--no-follow");
  assert.match(text, new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:.]{12}Z container end ${id} job exit_code=3$`, "m"));
  assert.equal(text.split("\n").length, events.length + 1);
  assert.equal(ok("events", "--no-follow", "--since", "2100-01-01"), "");
  assert.equal(machine.klee(["events", "--since", "soon"]).status, 2);
});

test("what happens is told as it happens, by whatever process, until nobody reads", gate, async () => {
  const stream = follower();
  ok("run", "-d", "--name", "loud", "box", "sh", "-c", "exit 4");
  waitUntil(() => brief(parse(stream.output())).includes("container end loud"), "the end");
  const told = parse(stream.output()).filter(({ type }) => type === "container");
  assert.deepEqual(brief(told), ["container create loud", "container start loud", "container end loud"]);
  assert.deepEqual(told[2]?.details, { exit_code: 4 });
  stream.child.kill("SIGTERM");
  await stream.ended;

  const child = spawn(process.execPath, [kleeCommand, "events", "--since", "1h"], { env: machine.environment() });
  machine.track(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdout.destroy();
  ok("rmc", "loud");
  assert.equal(await ended, 0);
});

test("what the store shows a while after it was written is told as well", needs("root", "cgroup2", "cc"), async () => {
  const stream = follower();
  const env = { ...machine.environment(), LD_PRELOAD: slowLog() };
  assert.equal(spawnSync(process.execPath, [kleeCommand, "image", "tag", "box", "late"], { env }).status, 0);
  waitUntil(() => brief(parse(stream.output())).includes("image tag late:latest"), "the event");
  ok("image", "tag", "late", "box");
  stream.child.kill("SIGTERM");
  await stream.ended;
});

test("the last ten thousand are kept", gate, async () => {
  const store = await Store.open(machine.root);
  try {
    await store.run(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050)
       INSERT INTO event (time, type, action, object, name, details)
       SELECT '2000-01-01T00:00:00.000Z', 'image', 'tag', 'x', 'n' || i, '{}' FROM n`,
    );
    const row = await store.get("SELECT count(*) AS count, max(name) AS name FROM event");
    assert.equal(row?.count, 10_000);
  } finally {
    await store.close();
  }
});
