import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import { withContainer } from "./lock.ts";
import { readRecord } from "./record.ts";
import { removeStopped } from "./removal.ts";
import { planRestart, restartsAfter, startWaiting } from "./restart.ts";
import { containerById, type StoredContainer } from "./rows.ts";
import { takeDown } from "./takedown.ts";

/**
 * Takes a container down whose processes have ended by themselves, and has it start again if its policy says so, or go
 * with its end. The caller holds its lock.
 */
export async function endRun(context: Context, container: StoredContainer): Promise<void> {
  const { id } = container;
  const ran = container.execution !== undefined;
  const restarts = ran ? restartsAfter(container, readRecord(context, id)?.status) : undefined;
  // Nothing is noted first: a run that the store has and the kernel has not is what the next command looks for anyway.
  if (restarts === undefined) {
    await takeDown(context, container);
    if (ran && container.removedAtEnd) await removeStopped(context, container);
    return;
  }
  const row = await withUndo(
    context,
    "stop container",
    id,
    (statements) => planRestart(context, statements, id, restarts),
    async (planned) => {
      await takeDown(context, container);
      return planned;
    },
  );
  await startWaiting(context, id, row, restarts);
}

/**
 * Takes a container down after its last process ended, unless it was started anew since. It may start again.
 *
 * @param executionId the execution that started the run which ended; undefined: the one under way at this moment.
 */
export async function takeDownAfter(context: Context, id: string, executionId: string | undefined): Promise<void> {
  const ended = executionId ?? (await containerById(context.store, id))?.execution;
  if (ended === undefined) return;
  await withContainer(context, id, async (container) => {
    if (container.execution !== ended || context.host.jails.isRunning(id)) return;
    await endRun(context, container);
  }).catch((error: unknown) => {
    if (!(error instanceof KleeError && error.code === "NOT_FOUND")) throw error;
  });
}
