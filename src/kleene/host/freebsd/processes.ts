import { setTimeout } from "node:timers/promises";
import * as proc from "../../../ffi/freebsd/proc.ts";
import { KleeError } from "../../errors.ts";
import type { ContainerProcess } from "../../model.ts";

/** The kernel tells nobody that a jail is empty before release 15: how often to look, in milliseconds. */
const FIRST_LOOK_MS = 5;
const LAST_LOOK_MS = 100;

/** Processes of a jail that run. */
export function processesIn(jid: number): proc.Process[] {
  return proc.processes().filter((one) => one.jid === jid && !one.zombie);
}

/** Processes as klee presents them, by pid. */
export function describeProcesses(found: readonly proc.Process[]): ContainerProcess[] {
  const pageBytes = proc.pageSize();
  return found
    .map(({ pid, ppid, uid, runtime, residentPages, command }) => ({
      pid,
      ppid,
      uid,
      cpuSeconds: Number(runtime) / 1e6,
      residentBytes: Number(residentPages) * pageBytes,
      // One that has ended meanwhile has none any more.
      command: proc.argumentsOf(pid)?.join(" ") || command,
    }))
    .sort((a, b) => a.pid - b.pid);
}

/** Resolves true once no process is left in the jail, false at the deadline. */
export async function waitEmpty(jid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (let pause = FIRST_LOOK_MS; processesIn(jid).length > 0; pause = Math.min(pause * 2, LAST_LOOK_MS)) {
    const left = deadline - Date.now();
    if (left <= 0) return false;
    await setTimeout(Math.min(pause, left));
  }
  return true;
}

const MICROSECONDS = /^(\d+):(\d+)$/;

/**
 * Names a process that runs so that no later one with the same pid is taken for it.
 * @throws {KleeError} HOST when there is none.
 */
export function identityOf(pid: number): string {
  const identity = identityIfAny(pid);
  if (identity === undefined) throw new KleeError("HOST", `the kernel knows no process ${pid}`);
  return identity;
}

/** A process's start, counted from the boot, with its pid. */
function identityIfAny(pid: number): string | undefined {
  const found = proc.processOf(pid);
  if (found === undefined || found.zombie) return undefined;
  // Both are told by the clock as it is set now, so setting it changes neither.
  return `${pid}:${found.startedAt - proc.bootTime()}`;
}

/** By a signal. */
export function isStopped(identity: string): boolean {
  return isAlive(identity) && proc.processOf(Number(identity.split(":")[0]))?.stopped === true;
}

export function isAlive(identity: string): boolean {
  const [, pid] = MICROSECONDS.exec(identity) ?? [];
  return pid !== undefined && identityIfAny(Number(pid)) === identity;
}
