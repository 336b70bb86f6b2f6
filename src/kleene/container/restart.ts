import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import type { LockTimeouts } from "../locks.ts";
import { beginOperation, endOperation, type Operation, pendingRestarts, setOperator } from "../store/operations.ts";
import type { Statements } from "../store/store.ts";
import { withContainer } from "./lock.ts";
import { startsAgain } from "./restart-policy.ts";
import { containerById, type StoredContainer, setRestarts } from "./rows.ts";

/**
 * Containers that start again after they ended. The row of an operation, "restart container", says that one is to; a
 * small process waits, then becomes `klee system restart`. Without the row it does nothing; a row whose process is gone
 * gets another one by the next command. So neither a killed process nor a boot loses a restart, and who deletes the row
 * calls it off.
 */

/** Time before the first restart; each further one in a row waits twice as long, up to the last, in milliseconds. */
const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 60_000;
/** What ran for so long did not fail at once: the next restart is the first in a row, in milliseconds. */
const STEADY_MS = 10_000;

/** Has a restart whose process is gone waited for again, unless the container runs. */
export async function resumeRestart(
  context: Context,
  { rowid, object, process }: Operation,
  timeouts: LockTimeouts,
): Promise<void> {
  const { store, host } = context;
  if ((await containerById(store, object)) === undefined) return endOperation(store, rowid);
  const resume = async ({ restarts }: StoredContainer): Promise<void> => {
    // Another klee may have done it meanwhile.
    if (!(await pendingRestarts(store)).some((one) => one.rowid === rowid && one.process === process)) return;
    if (host.jails.isRunning(object)) await endOperation(store, rowid);
    else await startWaiting(context, object, rowid, restarts ?? 1);
  };
  await withContainer(context, object, resume, timeouts);
}

/** Calls off a restart; true when there was one. The caller holds the container's lock. */
export async function cancelRestart(
  { store, host }: Pick<Context, "host"> & { readonly store: Statements },
  container: StoredContainer,
): Promise<boolean> {
  // No restart of any other is ever planned.
  if (container.restartPolicy === "no") return false;
  const pending = (await pendingRestarts(store)).filter(({ object }) => object === container.id);
  for (const { rowid, process } of pending) {
    await endOperation(store, rowid);
    if (process !== host.processIdentity()) host.endProcess(process);
  }
  return pending.length > 0;
}

/**
 * Notes, in the transaction that ends its run, that a container is to start again.
 * @returns the operation's row.
 */
export async function planRestart(
  { host }: Context,
  statements: Statements,
  id: string,
  restarts: number,
): Promise<number> {
  await setRestarts(statements, id, restarts);
  return beginOperation(statements, "restart container", id, host.processIdentity());
}

/** How often it will have been restarted in a row; undefined: it stays stopped. */
export function restartsAfter(
  { restartPolicy, restarts, started }: StoredContainer,
  status: number | undefined,
): number | undefined {
  if (restarts === undefined) return undefined;
  const inARow = Date.now() - started >= STEADY_MS ? 0 : restarts;
  return startsAgain(restartPolicy, inARow, status) ? inARow + 1 : undefined;
}

/**
 * Starts the process that waits, and makes the restart its own.
 * @param restarts in a row, this one counted.
 */
export async function startWaiting(
  { root, store, host, self, warn }: Context,
  id: string,
  row: number,
  restarts: number,
): Promise<void> {
  const delay = Math.min(FIRST_DELAY_MS * 2 ** (restarts - 1), LAST_DELAY_MS);
  try {
    const command = [...self, "--root", root, "system", "restart", id, String(row)];
    await setOperator(store, row, host.startLater(id, delay, command));
  } catch (error) {
    // Nobody's: the next command tries.
    await setOperator(store, row, "");
    warn(`container ${id} is to start again, with the next command: ${messageOf(error)}`);
  }
}
