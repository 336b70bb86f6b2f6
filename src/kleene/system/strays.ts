import { readRecord, recordPath } from "../container/record.ts";
import type { Context } from "../context.ts";
import { type Row, text } from "../store/store.ts";
import { busyObjects } from "./ended.ts";

/** Where store, kernel and files do not agree about which containers and images there are, one line each. */
export async function strays(context: Context): Promise<string[]> {
  return [
    ...(await unknownContainers(context)).map(describeUnknown),
    ...(await missingFiles(context)),
    ...(await unwatched(context)),
  ];
}

/**
 * A container that the store's directory has and its database has not: that was lost. Those that run are known by their
 * files, too: the kernel has those of other stores as well.
 */
export interface UnknownContainer {
  readonly id: string;
  readonly runs: boolean;
}

export async function unknownContainers(context: Context): Promise<UnknownContainer[]> {
  const { root, store, host } = context;
  // In this order: what is being made has its row, or its operation, before anything else.
  const running = host.jails.running();
  const found = host.storage.containers(root);
  const busy = await busyObjects(context);
  const known = new Set((await store.all("SELECT id FROM container")).map((row) => text(row, "id")));
  return found.filter((id) => !known.has(id) && !busy.has(id)).map((id) => ({ id, runs: running.has(id) }));
}

function describeUnknown({ id, runs }: UnknownContainer): string {
  return `the store does not know container ${id}, ${runs ? "which runs" : "of which there are files"}; klee system cleanup removes it`;
}

async function missingFiles({ store, host }: Context): Promise<string[]> {
  const isMissing = (row: Row): boolean => !host.storage.exists(text(row, "dataset"));
  const containers = (await store.all("SELECT id, name, dataset FROM container")).filter(isMissing);
  const images = (await store.all("SELECT id, name, dataset FROM image")).filter(isMissing);
  const volumes = (await store.all("SELECT name, dataset FROM volume")).filter(isMissing);
  const label = (row: Row): string => `${text(row, "name") || "without a name"} (${text(row, "id")})`;
  return [
    ...containers.map((row) => `the files of container ${label(row)} are gone: it cannot start; remove it`),
    ...images.map((row) => `the files of image ${label(row)} are gone: its containers cannot start; remove it`),
    ...volumes.map(
      (row) => `the files of volume ${text(row, "name")} are gone: its containers cannot start; remove them`,
    ),
  ];
}

/** Those whose first process runs without its supervisor, which holds the lock on the record for as long as it lives. */
async function unwatched(context: Context): Promise<string[]> {
  const { store, host } = context;
  const lines: string[] = [];
  const running = host.jails.running();
  for (const row of await store.all("SELECT id, name FROM container WHERE execution IS NOT NULL")) {
    const id = text(row, "id");
    const record = running.has(id) ? readRecord(context, id) : undefined;
    if (record?.pid === undefined || record.status !== undefined) continue;
    const lock = host.tryLock(recordPath(context, id), false);
    if (lock === "held" || lock === "absent") continue;
    lock[Symbol.dispose]();
    lines.push(
      `the supervisor of container ${text(row, "name")} (${id}) was killed: nobody reads what it writes, and its end is noticed by the next command alone; restart it`,
    );
  }
  return lines;
}
