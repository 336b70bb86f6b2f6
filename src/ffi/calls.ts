import { type ErrnoTable, SyscallError } from "./errno.ts";
import { type Library, lastErrno, lazy } from "./library.ts";
import { traceCall, traceStart } from "./trace.ts";

/** What a call is called in the trace and in errors, and where to find the kernel's own words. */
export interface CallDescription {
  /** As its manual names it: `jail_set`, `SIOCAIFADDR`, `mount`. */
  readonly call: string;
  /** What it is about: `lo1 10.2.3.1/32`. Empty when there is nothing to name. */
  readonly object: string;
  /** Gives the kernel's message after a failure, empty when there is none. */
  readonly kernelText?: () => string;
}

/** A C function that the loaded modules bind. */
export interface BoundFunction<L extends string = string> {
  readonly prototype: string;
  readonly library: L;
}

/** What a call on a thread of the pool gave. */
export interface Returned {
  readonly result: number;
  /** Of meaning when the result tells of a failure. */
  readonly errno: number;
}

/** The C functions of one system, and the calls made by them. */
export interface Bindings<L extends string> {
  /** Declares a function by its C prototype. It is looked up when first called; the library, libc unless told, is opened then. */
  cFunction<A extends readonly unknown[], R>(prototype: string, library?: L): (...args: A) => R;
  /** As `cFunction`, called on a thread of libuv's pool, for a call that waits: the event loop goes on meanwhile. */
  asyncFunction<A extends readonly unknown[]>(prototype: string, library?: L): (...args: A) => Promise<Returned>;
  /** The C functions that the loaded modules bind, as bound. */
  boundFunctions(): readonly BoundFunction<L>[];
  /**
   * Makes one call that returns -1 on failure, traces it, and turns the failure into an error.
   *
   * @param invoke calls exactly one C function.
   * @returns what the call returned.
   * @throws {SyscallError} with this system's errno name, also where a stand-in library runs on another one.
   */
  syscall(description: CallDescription, invoke: () => number): number;
  /** As `syscall`, for a function that returns 0 or an errno. */
  errnoCall(description: CallDescription, invoke: () => number): void;
  /** As `syscall`, for a call made on a thread of the pool. */
  asyncSyscall(description: CallDescription, invoke: () => Promise<Returned>): Promise<number>;
  /** The error of a call whose errno came by other means than a C function. */
  syscallError(call: string, object: string, errno: number, kernelText?: string): SyscallError;
  /** Symbolic name of an errno, for the trace. */
  errnoName(errno: number): string;
}

/**
 * @param table the system's errors.
 * @param libraries each opens its library; asked once, on the first call of one of its functions.
 */
export function bindings<L extends string>(
  table: ErrnoTable,
  libraries: Readonly<Record<L | "libc", () => Library>>,
): Bindings<L | "libc"> {
  const opened = new Map<string, () => Library>(
    Object.entries<() => Library>(libraries).map(([name, open]) => [name, lazy(open)]),
  );
  const bound: BoundFunction<L | "libc">[] = [];

  function declare(prototype: string, library: L | "libc") {
    bound.push({ prototype, library });
    return lazy(() => {
      const open = opened.get(library);
      if (open === undefined) throw new RangeError(`no library ${library} is known`);
      return open().func(prototype);
    });
  }

  const errnoName = (errno: number): string => table[errno]?.[0] ?? `E#${errno}`;

  function finished(description: CallDescription, result: number, errno: number, startedAt: bigint): number {
    const { call, object, kernelText } = description;
    traceCall(call, object, errno === 0 ? result : errnoName(errno), startedAt);
    if (errno !== 0) throw new SyscallError({ call, object, errno, table, kernelText: kernelText?.() });
    return result;
  }

  return {
    cFunction<A extends readonly unknown[], R>(prototype: string, library: L | "libc" = "libc") {
      const resolve = declare(prototype, library);
      return (...args: A): R => resolve()(...args) as R;
    },
    asyncFunction<A extends readonly unknown[]>(prototype: string, library: L | "libc" = "libc") {
      const resolve = declare(prototype, library);
      return (...args: A) =>
        new Promise<Returned>((settle, reject) => {
          resolve().async(...args, (error: unknown, result: number) => {
            // Here, before anything else runs: any other C call may change it.
            const errno = lastErrno();
            if (error) reject(error);
            else settle({ result, errno });
          });
        });
    },
    boundFunctions: () => [...new Map(bound.map((one) => [`${one.library} ${one.prototype}`, one])).values()],
    syscall(description, invoke) {
      const startedAt = traceStart();
      const result = invoke();
      // First of all: any other C call, the trace's write among them, may change it.
      return finished(description, result, result === -1 ? lastErrno() : 0, startedAt);
    },
    errnoCall(description, invoke) {
      const startedAt = traceStart();
      const result = invoke();
      finished(description, result, result, startedAt);
    },
    async asyncSyscall(description, invoke) {
      const startedAt = traceStart();
      const { result, errno } = await invoke();
      return finished(description, result, result === -1 ? errno : 0, startedAt);
    },
    syscallError: (call, object, errno, kernelText) => new SyscallError({ call, object, errno, table, kernelText }),
    errnoName,
  };
}
