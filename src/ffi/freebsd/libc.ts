import { SyscallError } from "../errno.ts";
import { getKoffi, lastErrno, lazy, openLibrary } from "../library.ts";
import { decodeCString } from "../struct.ts";
import { traceCall, traceStart } from "../trace.ts";
import { errnoTable } from "./abi/errno.ts";

/**
 * The C library: `libc.so.7`, or the library that the environment's KLEE_LIBC names, which stands in for it function by
 * function. Opened on the first call, never by an import.
 */
const library = lazy(() => openLibrary("libc", [process.env.KLEE_LIBC || "libc.so.7"]));

const bound: string[] = [];

/** Prototypes of the C functions that the loaded modules bind, as bound. */
export function boundPrototypes(): readonly string[] {
  return bound;
}

/** Declares a function of libc by its C prototype. It is looked up when first called. */
export function cFunction<A extends readonly unknown[], R>(prototype: string): (...args: A) => R {
  bound.push(prototype);
  const resolve = lazy(() => library().func(prototype) as (...args: A) => R);
  return (...args) => resolve()(...args);
}

/** What a call is called in the trace and in errors, and where to find the kernel's own words. */
export interface CallDescription {
  /** `jail_set`, `SIOCAIFADDR` */
  readonly call: string;
  /** What it is about: `lo1 10.2.3.1/32`. */
  readonly object: string;
  /** Gives the kernel's message after a failure, empty when there is none. */
  readonly kernelText?: () => string;
}

/**
 * Makes one call that returns -1 on failure, traces it, and turns the failure into an error.
 *
 * @returns what the call returned.
 * @throws {SyscallError} with FreeBSD's errno name, also where a stand-in library runs on another system.
 */
export function syscall(description: CallDescription, invoke: () => number): number {
  const { call, object } = description;
  const startedAt = traceStart();
  const result = invoke();
  if (result !== -1) {
    traceCall(call, object, result, startedAt);
    return result;
  }
  const errno = lastErrno();
  const error = new SyscallError({ call, object, errno, table: errnoTable, kernelText: description.kernelText?.() });
  traceCall(call, object, error.code, startedAt);
  throw error;
}

/** A copy of `length` bytes at an address that libc returned. */
export function readMemory(address: bigint, length: number): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.from(getKoffi().decode(address, "uint8_t", length) as Uint8Array);
}

/** A copy of the C string at an address that libc returned, of at most `limit` bytes. */
export function readCString(address: bigint, limit: number): string {
  const bytes: number[] = [];
  for (let at = 0; at < limit; at++) {
    const byte = getKoffi().decode.uint8(address + BigInt(at));
    if (byte === 0) break;
    bytes.push(byte);
  }
  return decodeCString(Uint8Array.from(bytes));
}
