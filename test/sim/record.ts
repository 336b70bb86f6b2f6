/** Calls of a FreeBSD 15.1 kernel, one by one, made again on the simulated one. */
import { openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { getKoffi, lastErrno, openLibrary } from "../../src/ffi/library.ts";
import { SIMULATOR } from "../support/simulator.ts";

/** A call as it was recorded: buffers in hex, C strings as they are. */
export interface RecordedCall {
  /** What klee was doing. */
  readonly step: string;
  /** The C prototype. */
  readonly fn: string;
  readonly args: readonly (number | string | null)[];
  /** Where each buffer lay: pointers inside are told by that. */
  readonly base: readonly (string | null)[];
  readonly result?: number;
  readonly errno: number;
  /** Buffers afterwards; null where they were the same. */
  readonly after: readonly (string | null)[];
}

/** What a call gave now. */
export interface Outcome {
  readonly result: number | undefined;
  readonly errno: number;
  /** The buffers as the recorder would have written them, pointers in them put back; undefined for what is none. */
  readonly buffers: readonly (Buffer | undefined)[];
}

export function readRecord(name: string): RecordedCall[] {
  const text = gunzipSync(readFileSync(new URL(`../ffi/freebsd/records/${name}`, import.meta.url))).toString();
  const calls: RecordedCall[] = [];
  let step = "";
  for (const line of text.trimEnd().split("\n")) {
    const parsed = JSON.parse(line) as { readonly step: string } | RecordedCall;
    if ("fn" in parsed) calls.push({ ...parsed, step });
    else step = parsed.step;
  }
  return calls;
}

/** `ioctl` of `int ioctl(int fd, unsigned long request, ...)`. */
export const nameOf = ({ fn }: RecordedCall): string => /(\w+)\(/.exec(fn)?.[1] ?? fn;

const IOVEC = 16;
/** Flags of jail_get(2), sys/jail.h of release 15: by a descriptor, and those that give one. */
const JAIL_USE_DESC = 0x10;
const JAIL_DESCRIPTORS = 0xd0;

const library = openLibrary("freebsd-sim", [SIMULATOR]);
const koffi = getKoffi();
const functions = new Map<string, (...args: unknown[]) => unknown>();

/** The prototype for a call that has these arguments: what varies is a pointer, or left out. */
function prototypeOf(call: RecordedCall): string {
  if (nameOf(call) === "ioctl") return "int ioctl(int fd, unsigned long request, void *argument)";
  return call.fn.replace(/, \.\.\.\)/, ")").replaceAll("const void *", "void *");
}

function functionOf(call: RecordedCall): (...args: unknown[]) => unknown {
  const prototype = prototypeOf(call);
  const known = functions.get(prototype) ?? (library.func(prototype) as (...args: unknown[]) => unknown);
  functions.set(prototype, known);
  return known;
}

const isText = (call: RecordedCall, index: number): boolean =>
  /const char \*/.test(call.fn.split("(")[1]?.split(",")[index] ?? "");

/** `kern.proc.pid` and `kern.proc.args` of sys/sysctl.h, of a process of the recorder's: this one stands for it. */
function standIn(mib: Buffer | undefined): void {
  const PROCESS_AT = 12;
  const begins = mib?.toString("hex", 0, PROCESS_AT);
  if (mib?.length === 16 && (begins === "010000000e00000001000000" || begins === "010000000e00000007000000"))
    mib.writeInt32LE(process.pid, PROCESS_AT);
}

/** Makes recorded calls, in their order. */
export class Player {
  /** The recorder's descriptors, and what they are here. */
  readonly #descriptors = new Map<number, number>();

  /** Stands for files that the recorder opened by other means than the bindings: no other process has them locked. */
  readonly #file = openSync(fileURLToPath(import.meta.url), "r");

  /** The list that getifaddrs(3) gave last: it is memory of the process, not the kernel's. */
  #list: Buffer | undefined;

  play(call: RecordedCall): Outcome {
    const name = nameOf(call);
    if (name === "freeifaddrs") return this.#free(call);
    // The record names the type of a variadic argument before it.
    const at = name === "ioctl" ? [0, 1, 3] : call.args.map((_, index) => index);
    const buffers: (Buffer | undefined)[] = call.args.map((value, index) =>
      typeof value === "string" && at.includes(index) && !isText(call, index) && /^(?:[0-9a-f]{2})*$/.test(value)
        ? Buffer.from(value, "hex")
        : undefined,
    );
    if (name === "sysctl") standIn(buffers[0]);
    const bases = call.base.map((base) => (base === null ? undefined : BigInt(base)));
    this.#move(buffers, bases, (buffer) => BigInt(koffi.address(buffer)), "there");
    const descriptor = name === "jail_get" ? this.#jailDescriptor(call, buffers[0], bases[0]) : undefined;
    if (descriptor?.given) descriptor.put(this.#descriptors.get(descriptor.recorded) ?? -1);
    const values = at.map((index) => buffers[index] ?? this.#scalar(name, call.args[index], index));
    const result = functionOf(call)(...values) as number | undefined;
    const errno = result === -1 ? lastErrno() : 0;
    if (name === "getifaddrs") this.#list = buffers[0];
    this.#move(buffers, bases, (buffer) => BigInt(koffi.address(buffer)), "back");
    if (descriptor !== undefined) {
      if (!descriptor.given) this.#descriptors.set(descriptor.recorded, descriptor.get());
      descriptor.put(descriptor.recorded);
    }
    if (["open", "socket"].includes(name) && result !== -1 && call.result !== undefined && call.result !== -1) {
      this.#descriptors.set(call.result, Number(result));
      return { result: call.result, errno, buffers };
    }
    return { result, errno, buffers };
  }

  /** Where a call of release 15 takes, or puts, the descriptor of a jail; undefined when it is about none. */
  #jailDescriptor(
    call: RecordedCall,
    buffer: Buffer | undefined,
    base: bigint | undefined,
  ): { given: boolean; recorded: number; get(): number; put(fd: number): void } | undefined {
    const flags = Number(call.args[2]);
    if (buffer === undefined || base === undefined || (flags & JAIL_DESCRIPTORS) === 0) return undefined;
    const recorded = Buffer.from(call.after[0] ?? String(call.args[0]), "hex");
    const original = Buffer.from(String(call.args[0]), "hex");
    for (let at = 0; at < 2 * IOVEC * Number(call.args[1]); at += 2 * IOVEC) {
      const [name, value] = [at, at + IOVEC].map((place) => Number(original.readBigUInt64LE(place) - base));
      if (name === undefined || value === undefined || original.toString("latin1", name, name + 5) !== "desc\0")
        continue;
      return {
        given: (flags & JAIL_USE_DESC) !== 0,
        recorded: recorded.readInt32LE(value),
        get: () => buffer.readInt32LE(value),
        put: (fd) => void buffer.writeInt32LE(fd, value),
      };
    }
    return undefined;
  }

  #free(call: RecordedCall): Outcome {
    if (this.#list !== undefined) functionOf(call)(this.#list.readBigUInt64LE(0));
    this.#list = undefined;
    return { result: undefined, errno: 0, buffers: [] };
  }

  #scalar(name: string, value: number | string | null | undefined, index: number): unknown {
    if (typeof value !== "number" || index !== 0) return value;
    if (name === "flock") return this.#file;
    return ["ioctl", "close", "jail_remove_jd"].includes(name) ? (this.#descriptors.get(value) ?? value) : value;
  }

  /** Has pointers into a recorded buffer point into its copy, or the other way. */
  #move(
    buffers: readonly (Buffer | undefined)[],
    bases: readonly (bigint | undefined)[],
    addressOf: (buffer: Buffer) => bigint,
    way: "there" | "back",
  ): void {
    const moved = buffers.flatMap((buffer, index) => {
      const base = bases[index];
      if (buffer === undefined || base === undefined || buffer.length === 0) return [];
      const here = addressOf(buffer);
      const [from, to] = way === "there" ? [base, here] : [here, base];
      return [{ from, to, length: BigInt(buffer.length) }];
    });
    for (const buffer of buffers) {
      if (buffer === undefined) continue;
      for (let at = 0; at + 8 <= buffer.length; at += 8) {
        const value = buffer.readBigUInt64LE(at);
        const target = moved.find(({ from, length }) => value >= from && value < from + length);
        if (target !== undefined) buffer.writeBigUInt64LE(target.to + value - target.from, at);
      }
    }
  }
}
