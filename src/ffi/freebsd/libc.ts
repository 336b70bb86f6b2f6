import { type BoundFunction as AnyBoundFunction, bindings } from "../calls.ts";
import { getKoffi, openLibrary } from "../library.ts";
import { decodeCString } from "../struct.ts";
import { errnoTable } from "./abi/errno.ts";

/**
 * Libraries whose functions are bound: common name to the file names tried, in order. Where the environment's KLEE_LIBC
 * names a library, that one stands in for all of them, function by function.
 */
const libraries = {
  libc: ["libc.so.7"],
  libzfs_core: ["/lib/libzfs_core.so.2", "/lib/libzfs_core.so.3", "libzfs_core.so"],
  libnvpair: ["/lib/libnvpair.so.2", "/lib/libnvpair.so.3", "libnvpair.so"],
} as const;

/** A library that the bindings call. */
export type LibraryName = keyof typeof libraries;
/** A C function that the loaded modules bind. */
export type BoundFunction = AnyBoundFunction<LibraryName>;

const open = (name: LibraryName) => () =>
  openLibrary(name, process.env.KLEE_LIBC ? [process.env.KLEE_LIBC] : libraries[name]);

export const {
  /** Declares a C function by its prototype; see `Bindings.cFunction`. */
  cFunction,
  /** Declares one that is called on a thread of the pool; see `Bindings.asyncFunction`. */
  asyncFunction,
  /** The C functions that the loaded modules bind, as bound. */
  boundFunctions,
  /** Makes a call that returns -1 on failure; see `Bindings.syscall`. */
  syscall,
  /** Makes a call that returns 0 or an errno; see `Bindings.errnoCall`. */
  errnoCall,
  /** Makes a call on a thread of the pool; see `Bindings.asyncSyscall`. */
  asyncSyscall,
} = bindings<LibraryName>(errnoTable, {
  libc: open("libc"),
  libzfs_core: open("libzfs_core"),
  libnvpair: open("libnvpair"),
});

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
