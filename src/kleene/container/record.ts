import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";

/** The longest time that the addon can wait: a signed 32-bit number of milliseconds, 25 days. */
export const FOR_EVER_MS = 2 ** 31 - 1;

/** What is kept of a container's run: `ROOT/runs/ID`, written by the supervisor (native/src/common/record.rs). */
export interface RunRecord {
  /** Of the first process, on the host. */
  readonly pid: number | undefined;
  /** Undefined while it runs; and for good, when its supervisor was killed. */
  readonly status: number | undefined;
}

/** File of a container's record; its directory is made. */
export function recordPath({ root }: Context, containerId: string): string {
  mkdirSync(`${root}/runs`, { recursive: true, mode: 0o700 });
  return `${root}/runs/${containerId}`;
}

/** Undefined when the container has not run yet. */
export function readRecord(context: Context, containerId: string): RunRecord | undefined {
  const path = recordPath(context, containerId);
  if (!existsSync(path)) return undefined;
  return parseRecord(readFileSync(path, "utf8"));
}

function parseRecord(text: string): RunRecord {
  const [pid, status] = text.split("\n").map((line) => (/^\d+$/.test(line) ? Number(line) : undefined));
  return { pid, status };
}

export function removeRecord(context: Context, containerId: string): void {
  rmSync(recordPath(context, containerId), { force: true });
}

/**
 * Waits for the end of the run under way, if there is one.
 *
 * @returns the first process's exit status in the last run.
 * @throws {KleeError} CONFLICT when the container has not run yet; HOST when nobody saw how the run ended.
 */
export async function waitForStatus(context: Context, containerId: string): Promise<number> {
  if (readRecord(context, containerId) === undefined)
    throw new KleeError("CONFLICT", `container ${containerId} has not run yet`);
  // Open: a container that is removed when it has ended takes it away.
  const fd = openSync(recordPath(context, containerId), "r");
  try {
    // The supervisor holds it for as long as the process runs.
    (await context.host.lockExisting(recordPath(context, containerId)))?.[Symbol.dispose]();
    const { status } = parseRecord(readFileSync(fd, "utf8"));
    if (status !== undefined) return status;
  } finally {
    closeSync(fd);
  }
  const { jails } = context.host;
  if (jails.isRunning(containerId)) await jails.waitEmpty(containerId, FOR_EVER_MS);
  throw new KleeError("HOST", `how container ${containerId} ended is not known: its supervisor was killed`);
}

/** Waits until the run under way has ended, and its supervisor has written what the first process left in its pipes. */
export async function waitForOutput(context: Context, containerId: string): Promise<void> {
  await context.host.jails.waitEmpty(containerId, FOR_EVER_MS);
  (await context.host.lockExisting(recordPath(context, containerId)))?.[Symbol.dispose]();
}
