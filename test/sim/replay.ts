import assert from "node:assert/strict";
import { SIOCSIFNAME } from "../../src/ffi/freebsd/abi/interface.ts";
import { DIOCXBEGIN, DIOCXCOMMIT, DIOCXROLLBACK } from "../../src/ffi/freebsd/abi/pf.ts";
import { getKoffi, lastErrno, openLibrary } from "../../src/ffi/library.ts";
import { type Reply, SYS } from "../ffi/freebsd/replies.ts";
import { SIMULATOR } from "../support/simulator.ts";

const library = openLibrary("freebsd-sim", [SIMULATOR]);
const koffi = getKoffi();
const functions = {
  socket: library.func("int socket(int, int, int)"),
  open: library.func("int open(const char *, int)"),
  ioctl: library.func("int ioctl(int, unsigned long, void *)"),
  jail_set: library.func("int jail_set(void *, unsigned int, int)"),
  jail_get: library.func("int jail_get(void *, unsigned int, int)"),
  jail_attach: library.func("int jail_attach(int)"),
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

/** Descriptors of the recorder, by its own numbers: those of control sockets with their family. */
const descriptors = new Map<number, number>();
let lastSocket: number | undefined;

function replay(reply: Reply): Outcome | undefined {
  const { args } = reply;
  switch (reply.sys) {
    case SYS.socket: {
      const result = functions.socket(...args);
      lastSocket = result;
      descriptors.set(reply.rval, result);
      return { result: result === -1 ? -1 : reply.rval, buffers: [] };
    }
    case SYS.open: {
      const result = functions.open("/dev/pf", 2);
      descriptors.set(reply.rval, result);
      return { result: result === -1 ? -1 : reply.rval, buffers: [] };
    }
    case SYS.ioctl: {
      const [argument = Buffer.alloc(0), second = Buffer.alloc(0)] = (reply.in ?? []).map(hex);
      const at = pointerAt(reply);
      if (at !== undefined) argument.writeBigUInt64LE(pointer(second), at);
      // Within a jail the recorder named a descriptor by the call of its batch that gave it.
      const fd = args[0] === "res0" ? lastSocket : descriptors.get(Number(args[0]));
      return { result: functions.ioctl(fd, args[1], argument), buffers: [argument, second] };
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
    default:
      return undefined;
  }
}

/** SIOCGIFCONF, and the sysctl NET_RT_IFLIST: the bindings list interfaces by getifaddrs(3), which is no call of the kernel. */
const SIOCGIFCONF = 0xc0106924;
const IFLIST_NAME_LENGTH = 6;
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

/**
 * Makes a recorded call and compares what came of it.
 *
 * @returns false for a call that the bindings do not make.
 */
export function replays(reply: Reply, what: string): boolean {
  if (reply.args[1] === SIOCGIFCONF || (reply.sys === SYS.sysctl && reply.args[1] === IFLIST_NAME_LENGTH)) return false;
  const outcome = replay(reply);
  if (outcome === undefined) return false;
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
  return true;
}
