import { readFileSync } from "node:fs";
import { sendSignal } from "../signal.ts";

/** Names a process so that no later one with the same pid is taken for it. */
export const identityOf = (pid: number): string => `${pid}:${startOf(pid)}`;

export function isAlive(identity: string): boolean {
  const [pid, start] = identity.split(":");
  return start !== undefined && startOf(Number(pid)) === start;
}

/** By a signal; one that is traced has another state. */
export function isStopped(identity: string): boolean {
  return isAlive(identity) && statOf(pidOf(identity))?.[0] === "T";
}

/** Sends a signal, unless the process has ended. */
export function signalIdentified(identity: string, signal: number): void {
  if (isAlive(identity)) sendSignal(pidOf(identity), signal);
}

const pidOf = (identity: string): number => Number(identity.split(":")[0]);

/** starttime (22): clock ticks after boot. Undefined when it has ended. */
function startOf(pid: number): string | undefined {
  const fields = statOf(pid);
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

/** proc(5), /proc/pid/stat, from the third field, the state, on. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses, and may itself hold blanks and parentheses.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
