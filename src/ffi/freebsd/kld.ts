import { isErrno } from "../errno.ts";
import { cFunction, syscall } from "./libc.ts";

const kldload = cFunction<[string], number>("int kldload(const char *file)");
const kldfind = cFunction<[string], number>("int kldfind(const char *file)");
const modfind = cFunction<[string], number>("int modfind(const char *modname)");

/** Runs a search that fails with ENOENT when there is nothing. */
function found(search: () => number): boolean {
  try {
    search();
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/**
 * Is a module there, loaded or part of the kernel? modfind(2), kldfind(2).
 *
 * @param name of the module, which is its file's as well: `pf`, `if_bridge`, `nullfs`.
 */
export function hasModule(name: string): boolean {
  return (
    found(() => syscall({ call: "modfind", object: name }, () => modfind(name))) ||
    found(() => syscall({ call: "kldfind", object: name }, () => kldfind(name)))
  );
}

/**
 * Loads a kernel module, kldload(2); one that is loaded already is no error.
 *
 * @throws {SyscallError} ENOENT when there is no such file; EPERM in a jail, or when securelevel(7) forbids it.
 */
export function loadModule(name: string): void {
  try {
    syscall({ call: "kldload", object: name }, () => kldload(name));
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}
