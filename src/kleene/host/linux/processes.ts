import { readFileSync } from "node:fs";
import type { ContainerProcess } from "../../model.ts";

/** sysconf(3), _SC_CLK_TCK: USER_HZ of the kernel's interfaces, the same on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** A process as proc(5) tells of it; undefined when it has ended. */
export function processOf(pid: number): ContainerProcess | undefined {
  try {
    const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, "utf8");
    const stat = read("stat");
    const nameEnd = stat.lastIndexOf(")");
    // proc(5), /proc/pid/stat: the fields after the name in parentheses, from the third, the state, on.
    const [state, ppid, ...rest] = stat.slice(nameEnd + 2).split(" ");
    if (state === "Z" || state === "X") return undefined;
    const [utime, stime] = [Number(rest[9]), Number(rest[10])];
    const status = read("status");
    // Its arguments end with a NUL each.
    const words = read("cmdline").split("\0").slice(0, -1);
    return {
      pid,
      ppid: Number(ppid),
      // Real, effective, ...
      uid: Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]),
      cpuSeconds: (utime + stime) / TICKS_PER_SECOND,
      // In kB, one number.
      residentBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
      command: words.join(" ") || stat.slice(stat.indexOf("(") + 1, nameEnd),
    };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // ESRCH: it ended between open and read.
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
