import { type BoundFunction as AnyBoundFunction, bindings } from "../calls.ts";
import { openLibrary } from "../library.ts";
import { errnoTable } from "./abi/errno.ts";

/** A library that the bindings call. */
export type LibraryName = "libc" | "libnftables";
/** A C function that the loaded modules bind. */
export type BoundFunction = AnyBoundFunction<LibraryName>;

/** Declared by their prototypes, looked up when first called. Nothing is opened by an import. */
export const {
  /** Declares a C function by its prototype; see `Bindings.cFunction`. */
  cFunction,
  /** Declares one that is called on a thread of the pool; see `Bindings.asyncFunction`. */
  asyncFunction,
  /** The C functions that the loaded modules bind, as bound. */
  boundFunctions,
  /** Makes a call that returns -1 on failure; see `Bindings.syscall`. */
  syscall,
  /** Makes a call on a thread of the pool; see `Bindings.asyncSyscall`. */
  asyncSyscall,
  /** The error of a call whose errno came by other means. */
  syscallError,
  /** Symbolic name of an errno. */
  errnoName,
} = bindings<LibraryName>(errnoTable, {
  libc: () => openLibrary("the C library", ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]),
  libnftables: () => openLibrary("libnftables (Debian package libnftables1)", ["libnftables.so.1"]),
});

/** Has the whole thread wait, usleep(3). */
export const usleep = cFunction<[number], number>("int usleep(unsigned int useconds)");

/** Of a system call: a number, or a pointer as `addressOf` gives it. */
export type Argument = number | bigint;
/** Not variadic, as C has it: all arguments travel in registers on x86-64 and aarch64 alike. */
const syscallFunction = cFunction<[number, Argument, Argument, Argument, Argument, Argument, Argument], number>(
  "long syscall(long number, long a, long b, long c, long d, long e, long f)",
);

/**
 * A system call that libc has no function for, syscall(2).
 *
 * @param number `SYS_*` of this architecture, <asm/unistd.h>.
 * @param args at most six; pointers as {@link addressOf} gives them, whose buffers the caller keeps alive.
 * @returns -1 on failure: to be called within {@link syscall}, which throws then.
 */
export function systemCall(number: number, args: readonly Argument[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return syscallFunction(number, a, b, c, d, e, f);
}
