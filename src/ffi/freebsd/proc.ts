import { isErrno } from "../errno.ts";
import { FieldError } from "../struct.ts";
import {
  KERN_PROC,
  KERN_PROC_ARGS,
  KERN_PROC_PID,
  KERN_PROC_PROC,
  kinfo_proc,
  SSTOP,
  SZOMB,
  timeval,
} from "./abi/process.ts";
import { CTL_KERN } from "./abi/sysctl.ts";
import { cFunction } from "./libc.ts";
import { type Mib, sysctlBytes, sysctlBytesAt } from "./sysctl.ts";

/** A process as the kernel tells of it. */
export interface Process {
  readonly pid: number;
  readonly ppid: number;
  /** Effective user. */
  readonly uid: number;
  /** Id of its jail; 0: none. */
  readonly jid: number;
  /** The program's name, its first 19 bytes. */
  readonly command: string;
  /** Since 1970, in microseconds, by the clock as it is set now. */
  readonly startedAt: bigint;
  /** Processor time used, in microseconds. */
  readonly runtime: bigint;
  /** Memory in use, in pages. */
  readonly residentPages: bigint;
  /** It has ended, and its parent has not waited for it. */
  readonly zombie: boolean;
  /** By a signal, or by a debugger. */
  readonly stopped: boolean;
}

/** Room for the processes of most hosts, in bytes. */
const ROOM = 256 * kinfo_proc.size;

const getpagesize = cFunction<[], number>("int getpagesize(void)");

/** Bytes in a page, getpagesize(3). */
export function pageSize(): number {
  return getpagesize();
}

/** Reads an array of `struct kinfo_proc`. @throws {FieldError} when the kernel's is of another size. */
export function decodeProcesses(bytes: Buffer): Process[] {
  const processes: Process[] = [];
  for (let at = 0; at + kinfo_proc.size <= bytes.length; at += kinfo_proc.size) {
    const found = kinfo_proc.decode(bytes, at);
    if (found.ki_structsize !== kinfo_proc.size)
      throw new FieldError(`struct kinfo_proc has ${found.ki_structsize} bytes here, not ${kinfo_proc.size}`);
    processes.push({
      pid: found.ki_pid,
      ppid: found.ki_ppid,
      uid: found.ki_uid,
      jid: found.ki_jid,
      command: found.ki_comm,
      startedAt: microseconds(found.ki_start),
      runtime: found.ki_runtime,
      residentPages: found.ki_rssize,
      zombie: found.ki_stat === SZOMB,
      stopped: found.ki_stat === SSTOP,
    });
  }
  return processes;
}

const microseconds = ({ tv_sec, tv_usec }: { tv_sec: bigint; tv_usec: bigint }): bigint =>
  tv_sec * 1_000_000n + tv_usec;

function ask(mib: Mib, room?: number): Process[] {
  return decodeProcesses(sysctlBytesAt(mib, room));
}

/** All processes that the caller may see, sysctl(3) kern.proc. @throws {SyscallError} */
export function processes(): Process[] {
  return ask([CTL_KERN, KERN_PROC, KERN_PROC_PROC], ROOM);
}

/** A process, or undefined when there is none of this number; sysctl(3) kern.proc. @throws {SyscallError} */
export function processOf(pid: number): Process | undefined {
  return ifAny(() => ask([CTL_KERN, KERN_PROC, KERN_PROC_PID, pid])[0]);
}

/**
 * The command line of a process, or what it calls itself, setproctitle(3); none of a process of the kernel's, nor of one
 * that ends. undefined when there is none of this number; sysctl(3) kern.proc. @throws {SyscallError}
 */
export function argumentsOf(pid: number): string[] | undefined {
  return ifAny(() => decodeArguments(sysctlBytesAt([CTL_KERN, KERN_PROC, KERN_PROC_ARGS, pid])));
}

/** Each ends with a zero byte. */
function decodeArguments(bytes: Buffer): string[] {
  const words = bytes.toString("utf8").split("\0");
  return words.at(-1) === "" ? words.slice(0, -1) : words;
}

function ifAny<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** When the kernel was booted: since 1970, in microseconds, by the clock as it is set now; sysctl(3) kern.boottime. */
export function bootTime(): bigint {
  return microseconds(timeval.decode(sysctlBytes("kern.boottime")));
}
