import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { ExecInContainer, Execution } from "../model.ts";
import { withContainer } from "./lock.ts";
import { cancelRestart } from "./restart.ts";
import { containerById, type StoredContainer } from "./rows.ts";
import { execInContainer, startContainer, startedRun } from "./run.ts";
import { isBeingStopped } from "./stop.ts";

/**
 * Runs a command in a container, which is started with it when it does not run.
 * @throws {KleeError} CONFLICT when it ran, or was being stopped, and is stopped by the time that it can be used.
 */
export async function execute(context: Context, id: string, request: ExecInContainer): Promise<Execution> {
  const stopping = await isBeingStopped(context, id);
  const live = stopping || context.host.jails.isRunning(id);
  // What was about to start has done so, and what is being stopped is, once its lock is free.
  const execution =
    (stopping ? undefined : await enter(context, id, request)) ??
    (await withContainer(context, id, (container) => startWith(context, container, request, live))) ??
    (await enter(context, id, request));
  if (execution === undefined) throw new KleeError("CONFLICT", `container ${id} is being started; try again`);
  return execution;
}

/** Runs a further command in a container; undefined when its own has not started, or has ended. */
async function enter(context: Context, id: string, request: ExecInContainer): Promise<Execution | undefined> {
  const container = await containerById(context.store, id);
  const run = startedRun(context, id);
  if (container === undefined || run === undefined) return undefined;
  return execInContainer(context, container, run, request, request);
}

/**
 * Starts a container with a command; undefined when it runs. The caller holds its lock.
 * @param live did it run before the lock was waited for?
 */
async function startWith(
  context: Context,
  container: StoredContainer,
  request: ExecInContainer,
  live: boolean,
): Promise<Execution | undefined> {
  const { id, name } = container;
  if (context.host.jails.isRunning(id)) return undefined;
  // Whoever stopped it meanwhile does not want it to run.
  if (live) throw new KleeError("CONFLICT", `${name} (${id}) was stopped; 'klee start' starts it again`);
  await cancelRestart(context, container);
  // Only a run of its own command starts again.
  return startContainer(context, container, request, request, request.command.length === 0 ? 0 : null);
}
