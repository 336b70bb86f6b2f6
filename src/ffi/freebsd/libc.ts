import { SyscallError } from "../errno.ts";
import { getKoffi, type Library, lastErrno, lazy, openLibrary } from "../library.ts";
import { decodeCString } from "../struct.ts";
import { traceCall, traceStart } from "../trace.ts";
import { errnoTable } from "./abi/errno.ts";

/** Libraries whose functions are bound: common name to the file names tried, in order. */
const libraries = {
  libc: ["libc.so.7"],
  libzfs_core: ["/lib/libzfs_core.so.2", "/lib/libzfs_core.so.3", "libzfs_core.so"],
  libnvpair: ["/lib/libnvpair.so.2", "/lib/libnvpair.so.3", "libnvpair.so"],
} as const;

/** A library that the bindings call. */
export type LibraryName = keyof typeof libraries;

/**
 * Opened on the first call, never by an import. Where the environment's KLEE_LIBC names a library, that one stands in
 * for all of them, function by function.
 */
const opened = Object.fromEntries(
  Object.entries(libraries).map(([name, candidates]) => [
    name,
    lazy(() => openLibrary(name, process.env.KLEE_LIBC ? [process.env.KLEE_LIBC] : candidates)),
  ]),
) as Readonly<Record<LibraryName, () => Library>>;

/** A C function that the loaded modules bind. */
export interface BoundFunction {
  readonly prototype: string;
  readonly library: LibraryName;
}

const bound: BoundFunction[] = [];

/** The C functions that the loaded modules bind, as bound. */
export function boundFunctions(): readonly BoundFunction[] {
  const prototypes = new Map(bound.map((one) => [`${one.library} ${one.prototype}`, one]));
  return [...prototypes.values()];
}

/** Declares a function by its C prototype. It is looked up when first called. */
export function cFunction<A extends readonly unknown[], R>(
  prototype: string,
  library: LibraryName = "libc",
): (...args: A) => R {
  bound.push({ prototype, library });
  const resolve = lazy(() => opened[library]().func(prototype) as (...args: A) => R);
  return (...args) => resolve()(...args);
}

/** As {@link cFunction}, called on a thread of the pool: for a call that waits. */
export function asyncFunction<A extends readonly unknown[], R>(prototype: string): (...args: A) => Promise<R> {
  bound.push({ prototype, library: "libc" });
  const resolve = lazy(() => opened.libc().func(prototype));
  return (...args) =>
    new Promise((settle, reject) => {
      resolve().async(...args, (error: unknown, result: R) => (error ? reject(error) : settle(result)));
    });
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
  return traced(description, invoke, (result) => (result === -1 ? lastErrno() : 0));
}

/** As {@link syscall}, for a function that returns 0 or an errno. */
export function errnoCall(description: CallDescription, invoke: () => number): void {
  traced(description, invoke, (result) => result);
}

/** As {@link syscall}, for a call made on a thread of the pool. */
export async function asyncSyscall(description: CallDescription, invoke: () => Promise<number>): Promise<number> {
  const startedAt = traceStart();
  const result = await invoke();
  return finished(description, result, result === -1 ? lastErrno() : 0, startedAt);
}

function traced(description: CallDescription, invoke: () => number, errnoOf: (result: number) => number): number {
  const startedAt = traceStart();
  const result = invoke();
  return finished(description, result, errnoOf(result), startedAt);
}

function finished(
  { call, object, kernelText }: CallDescription,
  result: number,
  errno: number,
  startedAt: ReturnType<typeof traceStart>,
): number {
  if (errno === 0) {
    traceCall(call, object, result, startedAt);
    return result;
  }
  const error = new SyscallError({ call, object, errno, table: errnoTable, kernelText: kernelText?.() });
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
