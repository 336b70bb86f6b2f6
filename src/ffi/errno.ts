/** Number -> [symbolic name, text] of one operating system. The two systems differ above 34, so each ships its own. */
export type ErrnoTable = Readonly<Record<number, readonly [code: string, text: string]>>;

/** What a failed kernel call tells: enough to print, and enough to decide what to do next. */
export interface SyscallFailure {
  /** The call as its manual names it, with the operation where one call has many: `RTM_NEWADDR`, `bpf(PROG_LOAD)`. */
  readonly call: string;
  /** What the call was about: an interface, a path, an address. Empty when there is nothing to name. */
  readonly object: string;
  /** The kernel's positive number (Node's own `errno` fields are negative). */
  readonly errno: number;
  /** The table of the system that answered. */
  readonly table: ErrnoTable;
  /** The kernel's own words, where the call returns some (netlink extended ACK, jail_set `errmsg`, BPF log). */
  readonly kernelText?: string | undefined;
  /** What the caller can do about it, one sentence. */
  readonly remedy?: string | undefined;
}

/**
 * A kernel call failed. `message` reads `call object: CODE (text)`, followed by the kernel's own words and the remedy
 * where there are any.
 */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly call: string;
  readonly object: string;
  readonly errno: number;
  /** Symbolic name, `EEXIST`. A number the table does not know prints as `E#97`: errno is an open set. */
  readonly code: string;
  readonly kernelText: string | undefined;
  readonly remedy: string | undefined;

  constructor(failure: SyscallFailure) {
    const [code, text] = failure.table[failure.errno] ?? [`E#${failure.errno}`, "unknown error"];
    const remedy = failure.remedy ?? remedyFor(failure.call, code);
    const object = failure.object === "" ? "" : ` ${failure.object}`;
    const words = failure.kernelText ? `: ${failure.kernelText}` : "";
    super(`${failure.call}${object}: ${code} (${text})${words}${remedy ? `; ${remedy}` : ""}`);
    this.call = failure.call;
    this.object = failure.object;
    this.errno = failure.errno;
    this.code = code;
    this.kernelText = failure.kernelText;
    this.remedy = remedy;
  }
}

/** Did a kernel call fail with one of these errors? `isErrno(error, "ENOENT")` */
export function isErrno(error: unknown, ...codes: readonly string[]): error is SyscallError {
  return error instanceof SyscallError && codes.includes(error.code);
}

/** Gives the remedy for a failure, or undefined to let the next hook answer. */
export type RemedyHook = (call: string, code: string) => string | undefined;

const remedyHooks: RemedyHook[] = [];

/** Adds a hook that words remedies for the importer's own users; the first hook that answers wins. */
export function addRemedyHook(hook: RemedyHook): void {
  remedyHooks.push(hook);
}

function remedyFor(call: string, code: string): string | undefined {
  for (const hook of remedyHooks) {
    const remedy = hook(call, code);
    if (remedy !== undefined) return remedy;
  }
  return undefined;
}
