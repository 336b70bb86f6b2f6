/** The simulator's queues of events, kqueue(2): what they tell, and what they refuse. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { errnoTable } from "../../src/ffi/freebsd/abi/errno.ts";
import { jail } from "../../src/ffi/freebsd/index.ts";
import { getKoffi, openLibrary } from "../../src/ffi/library.ts";
import { SIMULATOR, type SimulatedRelease, Simulator } from "../support/simulator.ts";

const simulators: Simulator[] = [];
after(() => {
  for (const simulator of simulators) simulator[Symbol.dispose]();
});

function use(release: SimulatedRelease): void {
  const simulator = new Simulator({ real: false, release });
  simulators.push(simulator);
  simulator.use();
}

const library = openLibrary("freebsd-sim", [SIMULATOR]);
const kqueue = library.func("int kqueue()") as () => number;
const close = library.func("int close(int)") as (fd: number) => number;
const kevent = library.func("int kevent(int, const void *, int, void *, int, const void *)") as (
  queue: number,
  changes: Buffer | null,
  changeCount: number,
  events: Buffer | null,
  eventCount: number,
  timeout: Buffer | null,
) => number;

// sys/event.h; headers.test.ts compares the simulator's own.
const EVFILT_READ = -1;
const EVFILT_JAIL = -14;
const EVFILT_JAILDESC = -15;
const EV_ADD = 1;
const EV_DELETE = 2;
const NOTE_JAIL_REMOVE = 0x10000000;
const NOTE_JAIL_SET = 0x40000000;
const NOW = Buffer.alloc(16);

interface Change {
  readonly ident: number;
  readonly filter?: number;
  readonly flags?: number;
  readonly fflags?: number;
}

function encode({ ident, filter = EVFILT_JAIL, flags = EV_ADD, fflags = NOTE_JAIL_REMOVE }: Change): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeBigInt64LE(BigInt(ident), 0);
  bytes.writeInt16LE(filter, 8);
  bytes.writeUInt16LE(flags, 10);
  bytes.writeUInt32LE(fflags, 12);
  bytes.writeUInt32LE(0xfeed, 24);
  return bytes;
}

/** What the change is answered: an errno's name, or "ok". */
function change(queue: number, wanted: Change): string {
  if (kevent(queue, encode(wanted), 1, null, 0, null) === 0) return "ok";
  const number = getKoffi().errno();
  return errnoTable[number]?.[0] ?? String(number);
}

/** The events that have come. */
function events(queue: number, timeout: Buffer | null = NOW): string[] {
  const room = Buffer.alloc(4 * 64);
  const count = kevent(queue, null, 0, room, 4, timeout);
  return Array.from({ length: count }, (_, index) => room.toString("hex", index * 64, (index + 1) * 64));
}

const removed = (ident: number, filter: number): string => {
  const bytes = encode({ ident, filter, flags: 0x8000 | 0x20 | 0x10 });
  return bytes.toString("hex");
};

test("release 15 tells of a jail's end, by its number and by its descriptor, and once", () => {
  use(15);
  const jid = jail.jailSet({ path: "/", name: "one", persist: true }, "create");
  const other = jail.jailSet({ path: "/", name: "two", persist: true }, "create");
  using held = jail.jailDescriptor({ jid });
  const descriptor = held.number;
  const queue = kqueue();
  for (const wanted of [{ ident: jid }, { ident: other }, { ident: descriptor, filter: EVFILT_JAILDESC }])
    assert.equal(change(queue, wanted), "ok");
  assert.deepEqual(events(queue), []);
  jail.jailRemove(jid);
  // Waits for the first, without an end.
  const told = [...events(queue, null), ...events(queue, Buffer.alloc(16, 0).fill(1, 0, 1))];
  assert.deepEqual(told.sort(), [removed(jid, EVFILT_JAIL), removed(descriptor, EVFILT_JAILDESC)].sort());
  assert.deepEqual(events(queue), []);
  assert.equal(change(queue, { ident: jid }), "ENOENT");
  assert.equal(change(queue, { ident: descriptor, filter: EVFILT_JAILDESC }), "ok");
  assert.deepEqual(events(queue), [removed(descriptor, EVFILT_JAILDESC)]);
  assert.equal(change(queue, { ident: other, flags: EV_DELETE }), "ok");
  jail.jailRemove(other);
  assert.deepEqual(events(queue), []);
  assert.equal(close(queue), 0);
});

test("what the header does not have, and what the model lacks, is refused", () => {
  use(15);
  const jid = jail.jailSet({ path: "/", name: "one", persist: true }, "create");
  const queue = kqueue();
  const socket = (library.func("int socket(int, int, int)") as (...numbers: number[]) => number)(2, 2, 0);
  for (const [wanted, errno] of [
    [{ ident: jid, filter: -16 }, "EINVAL"],
    [{ ident: jid, filter: 1 }, "EINVAL"],
    [{ ident: jid, filter: EVFILT_READ }, "EINVAL"],
    [{ ident: jid, fflags: 0 }, "EINVAL"],
    [{ ident: jid, fflags: 1 }, "EINVAL"],
    [{ ident: jid, fflags: NOTE_JAIL_SET }, "EINVAL"],
    [{ ident: jid, flags: 0 }, "EINVAL"],
    [{ ident: jid, flags: EV_ADD | 0x0400 }, "EINVAL"],
    [{ ident: 99 }, "ENOENT"],
    [{ ident: jid, flags: EV_DELETE }, "ENOENT"],
    [{ ident: 999, filter: EVFILT_JAILDESC }, "EBADF"],
    [{ ident: socket, filter: EVFILT_JAILDESC }, "EINVAL"],
  ] as const)
    assert.equal(change(queue, wanted), errno, JSON.stringify(wanted));
  assert.equal(change(socket, { ident: jid }), "EBADF");
  for (const fd of [queue, socket]) assert.equal(close(fd), 0);
  assert.equal(change(queue, { ident: jid }), "EBADF");
  jail.jailRemove(jid);
});

for (const release of [12, 14] as const)
  test(`release ${release} has queues, and none of their filters for jails`, () => {
    use(release);
    const jid = jail.jailSet({ path: "/", name: "one", persist: true }, "create");
    const queue = kqueue();
    assert.ok(queue >= 0);
    for (const filter of [EVFILT_JAIL, EVFILT_JAILDESC]) assert.equal(change(queue, { ident: jid, filter }), "EINVAL");
    assert.equal(close(queue), 0);
    jail.jailRemove(jid);
  });
