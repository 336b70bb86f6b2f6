import { withContainer } from "../container/lock.ts";
import { cancelRestart, restartsAfter, startWaiting } from "../container/restart.ts";
import { startsWithHost } from "../container/restart-policy.ts";
import { containerById, type StoredContainer, setRestarts, storedContainer } from "../container/rows.ts";
import { startContainer } from "../container/run.ts";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import type { LockTimeouts } from "../locks.ts";
import type { ExecutionOptions, WindowSize } from "../model.ts";
import { readBootId } from "../store/meta.ts";
import { endOperation, pendingRestarts } from "../store/operations.ts";

/** Containers that klee starts by itself, detached: with the host, and again after they ended. */

/** A terminal's size until somebody attaches, who has one. */
const WINDOW: WindowSize = { rows: 24, columns: 80 };

/** Others wait for what starts with the host, but for nobody who stands still. */
const LONG_WAIT: LockTimeouts = { workingMs: 30_000, stoppedMs: 0 };

/** Was the host booted since a klee last put all right? */
export async function isBooted({ store, host }: Context): Promise<boolean> {
  return (await readBootId(store)) !== host.bootId();
}

/**
 * Starts the containers that start with the host and do not run, the oldest first. One that cannot be started keeps no
 * other from it.
 *
 * @returns one line for each: that it was started, or why not.
 */
export async function startWithHost(context: Context): Promise<string[]> {
  const rows = await context.store.all("SELECT * FROM container ORDER BY created");
  const lines: string[] = [];
  for (const { id, name, restartPolicy } of rows.map(storedContainer)) {
    if (!startsWithHost(restartPolicy)) continue;
    try {
      if (await startIfStopped(context, id)) lines.push(`container ${name} (${id}) starts with the host: started it`);
    } catch (error) {
      const failure = `container ${name} (${id}) does not start with the host: ${messageOf(error)}`;
      context.warn(failure);
      lines.push(failure);
    }
  }
  return lines;
}

/** False when it runs, or was removed meanwhile. */
async function startIfStopped(context: Context, id: string): Promise<boolean> {
  if ((await containerById(context.store, id)) === undefined) return false;
  const start = async (container: StoredContainer): Promise<boolean> => {
    // Another klee may have done this after the boot, and somebody stopped it since.
    if (!(await isBooted(context)) || context.host.jails.isRunning(id)) return false;
    await cancelRestart(context, container);
    await startDetached(context, container, 0);
    return true;
  };
  return withContainer(context, id, start, LONG_WAIT);
}

/**
 * Starts a container again, unless that was called off: what the process does that waited for it.
 *
 * @param row of the operation that says so.
 */
export async function startAgain(context: Context, containerId: string, row: number): Promise<void> {
  const { store, host } = context;
  if ((await containerById(store, containerId)) === undefined) return;
  await withContainer(context, containerId, async (container) => {
    if (!(await pendingRestarts(store)).some(({ rowid, object }) => rowid === row && object === containerId)) return;
    if (!host.jails.isRunning(containerId)) {
      try {
        await startDetached(context, container, container.restarts ?? 0);
      } catch (error) {
        // As a run that failed: the cause may pass, as a port does that another process holds.
        const restarts = restartsAfter({ ...container, started: Date.now() }, undefined);
        if (restarts === undefined) await endOperation(store, row);
        else {
          await setRestarts(store, containerId, restarts);
          await startWaiting(context, containerId, row, restarts);
        }
        throw error;
      }
    }
    await endOperation(store, row);
  });
}

/** As it was started last: with a terminal, or an open input, for those who attach. */
async function startDetached(context: Context, container: StoredContainer, restarts: number): Promise<void> {
  const { output } = container;
  const options: ExecutionOptions = {
    stdio: { stdin: "null", stdout: "null", stderr: "null", terminal: output === "terminal" ? WINDOW : undefined },
    log: true,
    input: output === "log and input",
    onWarning: context.warn,
  };
  (await startContainer(context, container, { command: [] }, options, restarts)).detach();
}
