import type { Context } from "../context.ts";
import { listOperations, type Operation } from "../store/operations.ts";
import { type Row, text } from "../store/store.ts";

/** Operations whose process died half-way. */
export async function cutOffOperations({ store, host }: Context): Promise<Operation[]> {
  return (await listOperations(store)).filter((operation) => !host.isAlive(operation.process));
}

/** What living processes work on. */
export async function busyObjects({ store, host }: Context): Promise<Set<string>> {
  const operations = await listOperations(store);
  return new Set(operations.filter(({ process }) => host.isAlive(process)).map(({ object }) => object));
}

export interface EndedContainer {
  readonly id: string;
  readonly name: string;
}

/** Containers that have a run in the store and none in the kernel; or no run, and yet something in the kernel. */
export async function endedContainers({ store, host }: Context): Promise<EndedContainer[]> {
  const started = await startedContainers(store);
  const running = host.jails.running();
  const stopped = await store.all("SELECT id, name FROM container WHERE execution IS NULL");
  return [
    ...started.filter(({ id }) => !running.has(id)),
    ...stopped.map(named).filter(({ id }) => host.jails.exists(id) && !host.jails.isRunning(id)),
  ];
}

/** Those of the former that nobody will take down. They cost nothing where no container is said to run. */
export async function unnoticedEnds({ store, host }: Context): Promise<EndedContainer[]> {
  const started = await startedContainers(store);
  if (started.length === 0) return [];
  const ended = new Set(host.jails.unattended(started.map(({ id }) => id)));
  return started.filter(({ id }) => ended.has(id));
}

async function startedContainers(store: Context["store"]): Promise<EndedContainer[]> {
  return (await store.all("SELECT id, name FROM container WHERE execution IS NOT NULL")).map(named);
}

const named = (row: Row): EndedContainer => ({ id: text(row, "id"), name: text(row, "name") });
