import { cString, i8, i32, i64, struct, u32, u64 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/param.h", "sys/sysctl.h", "sys/proc.h", "sys/user.h"] as const;

export const KERN_PROC = 14;
/** One process, by its pid. */
export const KERN_PROC_PID = 1;
/** The arguments of a process, or what it calls itself, setproctitle(3). */
export const KERN_PROC_ARGS = 7;
/** All processes, without their threads. */
export const KERN_PROC_PROC = 8;
/** ki_stat of a process that is stopped. */
export const SSTOP = 4;
/** ki_stat of a process that has ended and is not waited for yet. */
export const SZOMB = 5;
export const COMMLEN = 19;

export const timeval = struct("struct timeval", "sys/_timeval.h", 16, { tv_sec: [0, i64], tv_usec: [8, i64] });

/** What the kernel tells of a process. */
export const kinfo_proc = struct("struct kinfo_proc", "sys/user.h", 1088, {
  ki_structsize: [0, i32],
  ki_pid: [72, i32],
  ki_ppid: [76, i32],
  ki_uid: [168, u32],
  ki_rssize: [264, u64],
  ki_runtime: [328, u64],
  ki_start: [336, timeval],
  ki_stat: [388, i8],
  ki_comm: [447, cString(COMMLEN + 1)],
  ki_jid: [592, i32],
});
