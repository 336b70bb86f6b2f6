/** Waiting for the end of jails by queues of events, on the simulator; of processes the bytes alone are seen here. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { EV_CLEAR, EV_EOF, EV_ONESHOT, EVFILT_PROC, EVFILT_PROCDESC } from "../../src/ffi/freebsd/abi/event.ts";
import { EVFILT_JAIL, EVFILT_JAILDESC, NOTE_JAIL_REMOVE } from "../../src/ffi/freebsd/abi/event15.ts";
import { jail, kqueue, openDescriptors } from "../../src/ffi/freebsd/index.ts";
import { type SimulatedRelease, Simulator } from "../support/simulator.ts";

const simulators: Simulator[] = [];
after(() => {
  for (const simulator of simulators) simulator[Symbol.dispose]();
});

function use(release: SimulatedRelease): void {
  const simulator = new Simulator({ real: false, release });
  simulators.push(simulator);
  simulator.use();
}

const create = (name: string): number => jail.jailSet({ path: "/", name, persist: true }, "create");
const ended = (ident: number, filter: number, udata = 0n): kqueue.Kevent => ({
  ident,
  filter,
  flags: EV_EOF | EV_ONESHOT | EV_CLEAR,
  fflags: NOTE_JAIL_REMOVE,
  data: 0n,
  udata,
});

test("a jail's end is waited for while the event loop goes on", async () => {
  use(15);
  const [jid, other] = [create("one"), create("two")];
  using queue = new kqueue.Kqueue();
  queue.change({ ...kqueue.jailRemoval(jid), udata: 7n }, kqueue.jailRemoval(other));
  assert.deepEqual(queue.events(), []);
  assert.deepEqual(await queue.wait(20), []);
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  setTimeout(() => jail.jailRemove(jid), 50);
  try {
    assert.deepEqual(await queue.wait(), [ended(jid, EVFILT_JAIL, 7n)]);
  } finally {
    clearInterval(ticking);
  }
  assert.ok(turns > 5, `${turns} turns of the event loop`);
  assert.throws(() => queue.change(kqueue.jailRemoval(jid)), {
    message: `kevent jail ${jid}: ENOENT (No such file or directory)`,
  });
  jail.jailRemove(other);
});

test("two who wait at one queue: one has the event, the other goes on waiting", async () => {
  use(15);
  const jid = create("one");
  using queue = new kqueue.Kqueue();
  queue.change(kqueue.jailRemoval(jid));
  const both = Promise.all([queue.wait(500), queue.wait(500)]);
  setTimeout(() => jail.jailRemove(jid), 20);
  assert.deepEqual((await both).flat(), [ended(jid, EVFILT_JAIL)]);
});

test("a descriptor names its jail also after the end; it and the queue are closed with their owners", async () => {
  use(15);
  const jid = create("one");
  const before = openDescriptors();
  const files = readdirSync("/proc/self/fd").length;
  {
    using descriptor = jail.jailDescriptor({ jid });
    using queue = new kqueue.Kqueue();
    assert.equal(jail.jailOfDescriptor(descriptor), jid);
    jail.jailRemoveDescriptor(descriptor);
    queue.change(kqueue.jailDescriptorRemoval(descriptor));
    assert.deepEqual(await queue.wait(1000), [ended(descriptor.number, EVFILT_JAILDESC)]);
  }
  assert.deepEqual(openDescriptors(), before);
  assert.equal(readdirSync("/proc/self/fd").length, files);
});

test("a queue is not passed on to programs", () => {
  use(15);
  const listed = (): string => spawnSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" }).stdout;
  // What the one who started this process left open is passed on.
  const before = listed().match(/eventfd/g);
  using _queue = new kqueue.Kqueue();
  assert.deepEqual(listed().match(/eventfd/g), before);
});

test("an older kernel has no filters for jails", () => {
  for (const release of [12, 14] as const) {
    use(release);
    const jid = create("one");
    using queue = new kqueue.Kqueue();
    assert.throws(() => queue.change(kqueue.jailRemoval(jid)), { code: "EINVAL" });
    assert.throws(() => jail.jailDescriptor({ jid }), { code: "EINVAL" });
    jail.jailRemove(jid);
  }
});

test("a process's end is asked for as sys/event.h has it", () => {
  const bytes = kqueue.encodeChanges([kqueue.processExit(0x1234), kqueue.processDescriptorExit({ number: 9 })]);
  const rest = "00".repeat(8 + 8 + 32);
  assert.equal(bytes.toString("hex"), `3412000000000000fbff010000000080${rest}0900000000000000f8ff010000000080${rest}`);
  // What came: exit status 3, as wait(2) has it.
  const answer = Buffer.from(bytes);
  answer.writeUInt16LE(EV_EOF | EV_ONESHOT, 10);
  answer.writeBigInt64LE(3n << 8n, 16);
  const [process, descriptor] = kqueue.decodeEvents(answer);
  assert.deepEqual([process?.ident, process?.filter, process?.data], [0x1234, EVFILT_PROC, 768n]);
  assert.deepEqual([descriptor?.ident, descriptor?.filter], [9, EVFILT_PROCDESC]);
});
