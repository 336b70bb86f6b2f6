/** Calls of the recorded FreeBSD 12.1 kernel, made again on the simulated one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { SIOCSIFNAME } from "../../src/ffi/freebsd/abi/interface.ts";
import { DIOCXBEGIN, DIOCXCOMMIT, DIOCXROLLBACK } from "../../src/ffi/freebsd/abi/pf.ts";
import { getKoffi, lastErrno, openLibrary } from "../../src/ffi/library.ts";
import { type Reply, SYS } from "../ffi/freebsd/replies.ts";
import { SIMULATOR } from "../support/simulator.ts";

const library = openLibrary("freebsd-sim", [SIMULATOR]);
const koffi = getKoffi();
const functions = {
  socket: library.func("int socket(int, int, int)"),
  bind: library.func("int bind(int, void *, unsigned int)"),
  getsockname: library.func("int getsockname(int, void *, void *)"),
  open: library.func("int open(const char *, int)"),
  close: library.func("int close(int)"),
  ioctl: library.func("int ioctl(int, unsigned long, void *)"),
  jail_set: library.func("int jail_set(void *, unsigned int, int)"),
  jail_get: library.func("int jail_get(void *, unsigned int, int)"),
  jail_attach: library.func("int jail_attach(int)"),
  jail_remove: library.func("int jail_remove(int)"),
  sysctl: library.func("int sysctl(void *, unsigned int, void *, void *, void *, size_t)"),
  nmount: library.func("int nmount(void *, unsigned int, int)"),
  rctl_add_rule: library.func("int rctl_add_rule(void *, size_t, void *, size_t)"),
  rctl_get_rules: library.func("int rctl_get_rules(void *, size_t, void *, size_t)"),
  rctl_get_racct: library.func("int rctl_get_racct(void *, size_t, void *, size_t)"),
};

/** All that was recorded, in its order. */
export function readRecord12(): Reply[] {
  const text = gunzipSync(readFileSync(new URL("../ffi/freebsd/records/12.1.jsonl.gz", import.meta.url))).toString();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Reply);
}

const SIOCGIFCONF = 0xc0106924;
const IFLIST_NAME_LENGTH = 6;
/** System calls of the recorder that the model has none of. */
const WITHOUT_MODEL: Readonly<Record<number, string>> = {
  3: "read",
  4: "write",
  7: "wait4",
  29: "recvfrom",
  92: "fcntl",
  98: "connect",
  133: "sendto",
  542: "pipe2",
};

/** Why a call is not played: it is none that the bindings make, and the model has no such thing. */
export function withoutModel({ ctx, sys, args }: Reply): string | undefined {
  if (args[1] === SIOCGIFCONF) return "ioctl SIOCGIFCONF";
  if (sys === SYS.sysctl && args[1] === IFLIST_NAME_LENGTH) return "sysctl NET_RT_IFLIST";
  if (sys === SYS.open && args[0] !== "/dev/pf") return "open of files";
  // Outside of jails the recorder closed nothing else.
  if (sys === SYS.close && ctx === 0) return "close of files and pipes";
  return WITHOUT_MODEL[sys];
}

const IOVEC = 16;
const hex = (text: string | undefined): Buffer => Buffer.from(text ?? "", "hex");
const pointer = (buffer: Buffer): bigint => (buffer.length === 0 ? 0n : BigInt(koffi.address(buffer)));

/** What a replayed call gave: its result, errno after a failure, and the buffers by their recorded index. */
export interface Outcome {
  readonly result: number;
  readonly buffers: readonly Buffer[];
}

/** Fills the pointers of an iovec array in; room for answers, whose bytes were not recorded, is as long as was said. */
function replayIovec(call: (...args: unknown[]) => number, reply: Reply): Outcome {
  const [vector = "", ...recorded] = reply.in ?? [];
  const memory = hex(vector);
  const buffers = [memory];
  for (let at = 0; at < memory.length; at += IOVEC) {
    const length = Number(memory.readBigUInt64LE(at + 8));
    if (length === 0) continue;
    const part = Buffer.alloc(length);
    hex(recorded[buffers.length - 1]).copy(part);
    buffers.push(part);
    memory.writeBigUInt64LE(pointer(part), at);
  }
  return { result: call(memory, reply.args[1], reply.args[2]), buffers };
}

/** Descriptors of the recorder, by its own numbers. */
const descriptors = new Map<number, number>();
/** A batch of calls has its buffers in common, and knows the result of its first call as `res0`. */
let batch: Buffer[] = [];
let first: number | undefined;
/** Room of an answer whose bytes were not recorded. */
const ROOM = 64;

function begin(reply: Reply): void {
  if (reply.in === null) return;
  batch = reply.in.map((text) => (text === "" ? Buffer.alloc(ROOM) : hex(text)));
  first = undefined;
}

const descriptorOf = (name: number | string | undefined): number =>
  (name === "res0" ? first : descriptors.get(Number(name))) ?? -1;
/** `buf1`: a buffer of the batch. */
const bufferOf = (name: number | string | undefined): Buffer => batch[Number(String(name).slice(3))] ?? Buffer.alloc(0);

function replay(reply: Reply): Outcome | undefined {
  const { args } = reply;
  switch (reply.sys) {
    case SYS.socket: {
      const result = functions.socket(...args);
      first ??= result;
      descriptors.set(reply.rval, result);
      return { result: result === -1 ? -1 : reply.rval, buffers: [] };
    }
    case SYS.bind:
      return { result: functions.bind(descriptorOf(args[0]), bufferOf(args[1]), args[2]), buffers: batch };
    case SYS.getsockname: {
      const result = functions.getsockname(descriptorOf(args[0]), bufferOf(args[1]), bufferOf(args[2]));
      return { result, buffers: batch };
    }
    case SYS.close:
      return { result: functions.close(descriptorOf(args[0])), buffers: batch };
    case SYS.open: {
      const result = functions.open("/dev/pf", 2);
      descriptors.set(reply.rval, result);
      return { result: result === -1 ? -1 : reply.rval, buffers: [] };
    }
    case SYS.ioctl: {
      const [argument = Buffer.alloc(0), second = Buffer.alloc(0)] = batch;
      const at = pointerAt(reply);
      if (at !== undefined) argument.writeBigUInt64LE(pointer(second), at);
      return { result: functions.ioctl(descriptorOf(args[0]), args[1], argument), buffers: [argument, second] };
    }
    case SYS.jail_set:
      return replayIovec(functions.jail_set, reply);
    case SYS.jail_get:
      return replayIovec(functions.jail_get, reply);
    case SYS.nmount:
      return replayIovec(functions.nmount, reply);
    case SYS.jail_attach:
      return { result: functions.jail_attach(args[0]), buffers: [] };
    case SYS.sysctl: {
      const [mib = Buffer.alloc(0), , size = Buffer.alloc(0)] = (reply.in ?? []).map(hex);
      const room = Buffer.alloc(Number(size.readBigUInt64LE(0)));
      return { result: functions.sysctl(mib, args[1], room, size, null, 0), buffers: [mib, room] };
    }
    case SYS.jail_remove:
      return { result: functions.jail_remove(args[0]), buffers: [] };
    case SYS.rctl_add_rule:
      return { result: functions.rctl_add_rule(hex(reply.in?.[0]), args[1], null, 0), buffers: [] };
    case SYS.rctl_get_rules: {
      const answer = Buffer.alloc(Number(args[3]));
      const input = hex(reply.in?.[0]);
      return { result: functions.rctl_get_rules(input, args[1], answer, answer.length), buffers: [input, answer] };
    }
    case SYS.rctl_get_racct: {
      const answer = Buffer.alloc(Number(args[3]));
      const input = hex(reply.in?.[0]);
      return { result: functions.rctl_get_racct(input, args[1], answer, answer.length), buffers: [input, answer] };
    }
    default:
      return undefined;
  }
}

/** Parts of `struct pf_rule` that the recorded kernel counts or points by, and this one has not. */
const KERNELS_OWN: readonly (readonly [number, number])[] = [
  [2064 + 112, 64],
  [2064 + 544, 40],
  [2064 + 632, 64],
  [2064 + 828, 8],
  [2064 + 840, 24],
];
const DIOCGETRULE = 0xcbe04407;
const DIOCGETSTATUS = 0xc1a04415;

/** What of an output the kernel alone decides is left out on both sides. */
function comparable(buffer: Buffer, reply: Reply): Buffer {
  const copy = Buffer.from(buffer);
  const at = pointerAt(reply);
  if (at !== undefined && copy.length >= at + 8) copy.fill(0, at, at + 8);
  if (reply.args[1] === DIOCGETRULE) for (const [start, length] of KERNELS_OWN) copy.fill(0, start, start + length);
  // What the processes of a jail use is not compared, only which figures are told.
  if (reply.sys === SYS.rctl_get_racct) return Buffer.from(copy.toString("latin1").replace(/\d+|\0+$/g, ""));
  // Of the status, whether pf filters.
  if (reply.args[1] === DIOCGETSTATUS) return copy.subarray(360, 364);
  return copy;
}

/** Offset of the pointer in the argument of a request: of SIOCSIFNAME to the new name, of pf's transactions to the array. */
function pointerAt({ sys, args }: Reply): number | undefined {
  if (sys !== SYS.ioctl) return undefined;
  const offsets = new Map([
    [SIOCSIFNAME.request, 16],
    ...[DIOCXBEGIN, DIOCXCOMMIT, DIOCXROLLBACK].map(({ request }): [number, number] => [request, 8]),
  ]);
  return offsets.get(Number(args[1]));
}

/** Makes a recorded call and compares what came of it. */
export function replays(reply: Reply, what: string): void {
  begin(reply);
  const outcome = replay(reply);
  assert.ok(outcome !== undefined, `${what} is played by nothing`);
  const errno = outcome.result === -1 ? lastErrno() : 0;
  assert.equal(errno, reply.errno, `errno of ${what}`);
  assert.equal(outcome.result, reply.rval, `result of ${what}`);
  for (const [number, recorded] of Object.entries(reply.out ?? {})) {
    const given: Buffer | undefined = outcome.buffers[Number(number)];
    if (given === undefined) continue;
    // The recorder kept no more of a long buffer than was filled.
    const length = Math.min(given.length, recorded.length / 2);
    const [seen, expected]: Buffer[] = [given, hex(recorded)].map((one) => comparable(one.subarray(0, length), reply));
    assert.equal(seen?.toString("hex"), expected?.toString("hex"), `buffer ${number} of ${what}`);
  }
}
