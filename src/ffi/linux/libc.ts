import { SyscallError } from "../errno.ts";
import { type CFunction, lastErrno, lazy, openLibrary } from "../library.ts";
import { traceCall, traceStart, tracing } from "../trace.ts";
import { errnoTable } from "./abi/errno.ts";

const library = lazy(() =>
  openLibrary("the C library", ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]),
);

/** A C function as koffi calls it on a thread of the pool: the callback comes last. */
type AsyncFunction = (...args: unknown[]) => void;

function bound<F extends (...args: never[]) => unknown>(prototype: string): F {
  const cFunction = lazy(() => library().func(prototype));
  return ((...args: unknown[]) => cFunction()(...args)) as unknown as F;
}

const flockFunction = lazy((): CFunction => library().func("int flock(int, int)"));

/**
 * The functions of libc that are used, bound on first call. Each returns what C returns: -1 tells of an error.
 * Call them through {@link call}, which reads errno in time.
 */
export const libc = {
  socket: bound<(domain: number, type: number, protocol: number) => number>("int socket(int, int, int)"),
  connect: bound<(fd: number, address: Uint8Array, length: number) => number>("int connect(int, void *, uint32_t)"),
  bind: bound<(fd: number, address: Uint8Array, length: number) => number>("int bind(int, void *, uint32_t)"),
  setsockopt: bound<(fd: number, level: number, name: number, value: Uint8Array, length: number) => number>(
    "int setsockopt(int, int, int, void *, uint32_t)",
  ),
  getsockopt: bound<(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number>(
    "int getsockopt(int, int, int, void *, void *)",
  ),
  send: bound<(fd: number, data: Uint8Array, length: number, flags: number) => number>(
    "intptr_t send(int, void *, size_t, int)",
  ),
  recv: bound<(fd: number, data: Uint8Array, length: number, flags: number) => number>(
    "intptr_t recv(int, void *, size_t, int)",
  ),
  open: bound<(path: string, flags: number, type: "int", mode: number) => number>("int open(const char *, int, ...)"),
  memfd_create: bound<(name: string, flags: number) => number>("int memfd_create(const char *, unsigned int)"),
  close: bound<(fd: number) => number>("int close(int)"),
  fcntl:
    bound<(fd: number, command: number, type: "void *", argument: Uint8Array) => number>("int fcntl(int, int, ...)"),
  flock: (fd: number, operation: number): number => flockFunction()(fd, operation),
  mount: bound<
    (source: string | null, target: string, type: string | null, flags: number, data: string | null) => number
  >("int mount(const char *, const char *, const char *, unsigned long, const char *)"),
  usleep: bound<(microseconds: number) => number>("int usleep(uint32_t)"),
  umount2: bound<(target: string, flags: number) => number>("int umount2(const char *, int)"),
  renameat2: bound<
    (fromDirectory: number, from: Uint8Array, toDirectory: number, to: Uint8Array, flags: number) => number
  >("int renameat2(int, void *, int, void *, unsigned int)"),
  readlinkat: bound<(directory: number, path: Uint8Array, target: Uint8Array, size: number) => number>(
    "intptr_t readlinkat(int, void *, void *, size_t)",
  ),
  lseek: bound<(fd: number, offset: number, whence: number) => number>("int64_t lseek(int, int64_t, int)"),
  copy_file_range: bound<
    (from: number, fromOffset: Uint8Array, to: number, toOffset: Uint8Array, length: number, flags: number) => number
  >("intptr_t copy_file_range(int, void *, int, void *, size_t, unsigned int)"),
  utimensat: bound<(directory: number, path: Uint8Array, times: Uint8Array, flags: number) => number>(
    "int utimensat(int, void *, void *, int)",
  ),
  /** The device number as the syscall takes it, which is glibc's own for small ones. */
  mknod: bound<(path: string, mode: number, device: number) => number>(
    "int mknod(const char *, unsigned int, uint64_t)",
  ),
  flistxattr: bound<(fd: number, list: Uint8Array, size: number) => number>("intptr_t flistxattr(int, void *, size_t)"),
  fgetxattr: bound<(fd: number, name: Uint8Array, value: Uint8Array, size: number) => number>(
    "intptr_t fgetxattr(int, void *, void *, size_t)",
  ),
  lsetxattr: bound<(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number, flags: number) => number>(
    "int lsetxattr(void *, void *, void *, size_t, int)",
  ),
  unshare: bound<(flags: number) => number>("int unshare(int)"),
  setns: bound<(fd: number, type: number) => number>("int setns(int, int)"),
  /** Not variadic, as C has it: all arguments travel in registers on x86-64 and aarch64 alike. */
  syscall: bound<
    (
      number: number,
      a: number | bigint,
      b: number | bigint,
      c: number | bigint,
      d: number | bigint,
      e: number | bigint,
      f: number | bigint,
    ) => number
  >("long syscall(long, long, long, long, long, long, long)"),
};

/** The error of a call, from the number that the kernel gave. */
export function syscallError(name: string, object: string, errno: number, kernelText?: string): SyscallError {
  return new SyscallError({ call: name, object, errno, table: errnoTable, kernelText });
}

/** Symbolic name of a Linux errno, for the trace. */
export function errnoName(errno: number): string {
  return errnoTable[errno]?.[0] ?? `E#${errno}`;
}

/**
 * Makes one kernel call: traces it, reads errno at once.
 *
 * @param name the call as its manual names it.
 * @param object what it is about, for the error and the trace.
 * @param invoke calls exactly one function of {@link libc}.
 * @throws {SyscallError} when it returns -1.
 */
export function call(name: string, object: string, invoke: () => number): number {
  const startedAt = traceStart();
  const result = invoke();
  // First of all: any other C call, the trace's write among them, may change it.
  const errno = result === -1 ? lastErrno() : 0;
  return finish(name, object, result, errno, startedAt);
}

/**
 * flock(2) on a thread of libuv's pool, so that the event loop goes on while it waits.
 *
 * @throws {SyscallError}
 */
export function flockAsync(fd: number, operation: number, object: string): Promise<void> {
  const startedAt = traceStart();
  return new Promise((resolve, reject) => {
    (flockFunction().async as AsyncFunction)(fd, operation, (error: unknown, result: number) => {
      const errno = result === -1 ? lastErrno() : 0;
      try {
        if (error) throw error;
        finish("flock", object, result, errno, startedAt);
        resolve();
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

/**
 * A system call that libc has no function for, syscall(2).
 *
 * @param number `SYS_*` of this architecture, <asm/unistd.h>.
 * @param args at most six; pointers as {@link addressOf} gives them, whose buffers the caller keeps alive.
 * @throws {SyscallError}
 */
export function systemCall(name: string, object: string, number: number, args: readonly (number | bigint)[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return call(name, object, () => libc.syscall(number, a, b, c, d, e, f));
}

function finish(name: string, object: string, result: number, errno: number, startedAt: bigint): number {
  if (tracing()) traceCall(name, object, errno === 0 ? result : errnoName(errno), startedAt);
  if (result === -1) throw syscallError(name, object, errno);
  return result;
}
