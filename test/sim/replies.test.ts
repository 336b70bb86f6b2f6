import assert from "node:assert/strict";
import { after, test } from "node:test";
import { getKoffi, lastErrno, openLibrary } from "../../src/ffi/library.ts";
import { RECORDED_CALLS, type Reply, readReplies, SYS } from "../ffi/freebsd/replies.ts";
import { SIMULATOR, Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false, pf: false, modules: ["if_epair", "nullfs", "pf"] });
after(() => simulator[Symbol.dispose]());
simulator.use();
const library = openLibrary("freebsd-sim", [SIMULATOR]);
const koffi = getKoffi();
const functions = {
  socket: library.func("int socket(int, int, int)"),
  open: library.func("int open(const char *, int)"),
  ioctl: library.func("int ioctl(int, unsigned long, void *)"),
  jail_set: library.func("int jail_set(void *, unsigned int, int)"),
  jail_get: library.func("int jail_get(void *, unsigned int, int)"),
  jail_remove: library.func("int jail_remove(int)"),
  sysctl: library.func("int sysctl(void *, unsigned int, void *, void *, void *, size_t)"),
  nmount: library.func("int nmount(void *, unsigned int, int)"),
  rctl_add_rule: library.func("int rctl_add_rule(void *, size_t, void *, size_t)"),
  rctl_get_rules: library.func("int rctl_get_rules(void *, size_t, void *, size_t)"),
};

const IOVEC = 16;
const hex = (text: string | undefined): Buffer => Buffer.from(text ?? "", "hex");
const pointer = (buffer: Buffer): bigint => (buffer.length === 0 ? 0n : BigInt(koffi.address(buffer)));

/** What a replayed call gave: its result, errno after a failure, and the buffers by their recorded index. */
interface Outcome {
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

/** Descriptors of the recorder, by its own numbers: those of control sockets with their family. */
const descriptors = new Map<number, number>();

function replay(reply: Reply): Outcome | undefined {
  const { args } = reply;
  switch (reply.sys) {
    case SYS.socket: {
      const result = functions.socket(...args);
      descriptors.set(reply.rval, result);
      return { result: result === -1 ? -1 : reply.rval, buffers: [] };
    }
    case SYS.open: {
      const result = functions.open("/dev/pf", 2);
      descriptors.set(reply.rval, result);
      return { result: result === -1 ? -1 : reply.rval, buffers: [] };
    }
    case SYS.ioctl: {
      const [argument = Buffer.alloc(0), pointee] = (reply.in ?? []).map(hex);
      if (pointee !== undefined) argument.writeBigUInt64LE(pointer(pointee), pointerAt(Number(args[1])));
      return {
        result: functions.ioctl(descriptors.get(Number(args[0])), args[1], argument),
        buffers: [argument, ...(pointee ? [pointee] : [])],
      };
    }
    case SYS.jail_set:
      return replayIovec(functions.jail_set, reply);
    case SYS.jail_get:
      return replayIovec(functions.jail_get, reply);
    case SYS.nmount:
      return replayIovec(functions.nmount, reply);
    case SYS.jail_remove:
      return { result: functions.jail_remove(args[0]), buffers: [] };
    case SYS.rctl_add_rule:
      return { result: functions.rctl_add_rule(hex(reply.in?.[0]), args[1], null, 0), buffers: [] };
    case SYS.rctl_get_rules: {
      const answer = Buffer.alloc(Number(args[3]));
      const input = hex(reply.in?.[0]);
      return { result: functions.rctl_get_rules(input, args[1], answer, answer.length), buffers: [input, answer] };
    }
    default:
      return undefined;
  }
}

/** SIOCGIFCONF: the bindings list interfaces by getifaddrs(3), which is no call of the kernel. */
const SIOCGIFCONF = 0xc0106924;
/** Offset of the pointer in the argument of a request: SIOCSIFNAME has its new name there, pf's transactions their array. */
const pointerAt = (request: number): number => (request === 0x80206928 ? 16 : 8);
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
  if (reply.sys === SYS.ioctl && reply.in?.[1] !== undefined)
    copy.fill(0, pointerAt(Number(reply.args[1])), pointerAt(Number(reply.args[1])) + 8);
  if (reply.args[1] === DIOCGETRULE) for (const [start, length] of KERNELS_OWN) copy.fill(0, start, start + length);
  // Of the status, whether pf filters.
  if (reply.args[1] === DIOCGETSTATUS) return copy.subarray(360, 364);
  return copy;
}

test("the simulator answers as the recorded kernel did: results, errors, bytes and words", (t) => {
  const files = ["replies.jsonl", "replies-system.jsonl", "replies-pf.jsonl"] as const;
  const replies = files.flatMap(readReplies);
  let compared = 0;
  for (const [index, reply] of replies.entries()) {
    // Calls from within a jail are the next test's.
    if (reply.ctx !== 0 || reply.args[1] === SIOCGIFCONF) continue;
    const outcome = replay(reply);
    if (outcome === undefined) continue;
    const errno = outcome.result === -1 ? lastErrno() : 0;
    const what = `record ${index}: call ${reply.sys} ${reply.args.join(" ")}`;
    assert.equal(errno, reply.errno, `errno of ${what}`);
    assert.equal(outcome.result, reply.rval, `result of ${what}`);
    for (const [number, recorded] of Object.entries(reply.out ?? {})) {
      const given: Buffer | undefined = outcome.buffers[Number(number)];
      assert.ok(given !== undefined, `buffer ${number} of ${what}`);
      // The recorder kept no more of a long buffer than was filled.
      const length = Math.min(given.length, recorded.length / 2);
      const [seen, expected]: Buffer[] = [given, hex(recorded)].map((one) =>
        comparable(one.subarray(0, length), reply),
      );
      assert.equal(seen?.toString("hex"), expected?.toString("hex"), `buffer ${number} of ${what}`);
    }
    compared += 1;
  }
  t.diagnostic(`${compared} of ${RECORDED_CALLS} recorded calls answered the same`);
  assert.ok(compared >= 85, `${compared} were compared`);
});
