/**
 * Processes by descriptors, pidfd_open(2): one names its process for ever, also when another one has got its number, and
 * its end is waited for while the event loop goes on.
 *
 * @example Waits ten seconds for the end of a process, whosever child it is.
 * ```ts
 * using process = pidfd.openProcess(pid);
 * pidfd.sendSignal(process, 15);
 * if (!(await pidfd.waitExit(process, 10_000))) pidfd.sendSignal(process, 9);
 * ```
 */
import { isErrno } from "../errno.ts";
import { waitReadable } from "../native.ts";
import { SYS_pidfd_open, SYS_pidfd_send_signal } from "./abi/pidfd.ts";
import { Fd } from "./fd.ts";
import { syscall, systemCall } from "./libc.ts";

/**
 * A descriptor of a process, pidfd_open(2), which programs that are executed do not get. Close it after use.
 *
 * @param pid of a process, not of another thread than its first.
 * @throws {SyscallError} ESRCH when there is none.
 */
export function openProcess(pid: number): Fd {
  return Fd.of(
    { call: "pidfd_open", object: String(pid) },
    () => systemCall(SYS_pidfd_open, [pid, 0]),
    `process ${pid}`,
  );
}

/**
 * Sends a signal to this process and to no other, pidfd_send_signal(2).
 *
 * @param signal its number; 0 only asks.
 * @returns false when it has ended and its parent knows.
 * @throws {SyscallError} EPERM, EINVAL for what is no signal.
 */
export function sendSignal({ number, object }: Fd, signal: number): boolean {
  try {
    syscall({ call: "pidfd_send_signal", object: `${object} ${signal}` }, () =>
      systemCall(SYS_pidfd_send_signal, [number, signal, 0, 0]),
    );
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}

/**
 * Waits for the end of a process, be it this one's child or not; the event loop goes on meanwhile, and Node stays alive.
 * How it ended is for its parent to know. poll(2) on a thread of its own.
 *
 * @param timeoutMs how long, in milliseconds; without an end unless told.
 * @returns false when it still runs after that time.
 * @throws {SyscallError}
 */
export function waitExit(process: Fd, timeoutMs = Number.POSITIVE_INFINITY): Promise<boolean> {
  return waitReadable(process, timeoutMs);
}
