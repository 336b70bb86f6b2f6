import { chmodSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { KernelTypes } from "../../../../ffi/linux/bpf/index.ts";

/** What a program calls, by id, and where it looks, in bytes, to see the address that a unix socket is to reach. */
export interface UnixAddress {
  /** From what the program is given to the kernel's own struct behind it. */
  readonly castContext: number;
  /** Where that has the pointer to the address. */
  readonly address: number;
  /** From that pointer to one to a struct: this one, which the name begins in. */
  readonly castPointer: number;
  readonly struct: number;
  readonly path: number;
}

/** What the running kernel was built from: its build id is in there, elf(5). */
const NOTES = "/sys/kernel/notes";
const names = ["bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_sock_addr_kern", "sockaddr_un"] as const;

/**
 * Finds it in the kernel's description of itself.
 *
 * @param cache a file that keeps it, since to read the description takes some 15 ms; undefined: none.
 * @returns undefined when the kernel has no such description, or is older than 6.2.
 */
export function findUnixAddress(cache: string | undefined): UnixAddress | undefined {
  const kernel = cache === undefined ? undefined : kernelBuild();
  const kept = kernel === undefined ? undefined : readKept(cache as string, kernel);
  if (kept !== undefined) return kept;
  const found = readTypes();
  if (found !== undefined && kernel !== undefined) keep(cache as string, kernel, found);
  return found;
}

function readTypes(): UnixAddress | undefined {
  const types = KernelTypes.ofKernel(names);
  const found = {
    castContext: types?.function("bpf_cast_to_kern_ctx"),
    address: types?.offset("bpf_sock_addr_kern", "uaddr"),
    castPointer: types?.function("bpf_rdonly_cast"),
    struct: types?.struct("sockaddr_un"),
    path: types?.offset("sockaddr_un", "sun_path"),
  };
  return isUnixAddress(found) ? found : undefined;
}

const isUnixAddress = (found: Partial<Record<keyof UnixAddress, unknown>>): found is UnixAddress =>
  (["castContext", "address", "castPointer", "struct", "path"] as const).every((key) => Number.isInteger(found[key]));

function kernelBuild(): string | undefined {
  try {
    return readFileSync(NOTES, "hex");
  } catch {
    return undefined;
  }
}

/** What is not there, of another kernel, or half a file, is found anew. */
function readKept(cache: string, kernel: string): UnixAddress | undefined {
  try {
    const kept: unknown = JSON.parse(readFileSync(cache, "utf8"));
    const { kernel: of, unixAddress } = kept as { kernel?: unknown; unixAddress?: UnixAddress };
    return of === kernel && unixAddress !== undefined && isUnixAddress(unixAddress) ? unixAddress : undefined;
  } catch {
    return undefined;
  }
}

/** A full or read-only disk costs the next run its time, no more. */
function keep(cache: string, kernel: string, unixAddress: UnixAddress): void {
  const made = `${cache}.${process.pid}`;
  try {
    writeFileSync(made, JSON.stringify({ kernel, unixAddress }), { mode: 0o600 });
    chmodSync(made, 0o600);
    renameSync(made, cache);
  } catch {
    // Found anew.
  }
}
