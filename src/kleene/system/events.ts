import { Changes } from "../changes.ts";
import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { KleeEvent, ReadEvents } from "../model.ts";
import { type Row, text } from "../store/store.ts";

/** Written by the database's triggers (store/migrations.ts), so that no change is left out and none is told that failed. */

/** What changed in the store, oldest first; with `follow`, for ever, as it happens. */
export async function* readEvents(
  { store }: Context,
  { since, follow = false }: ReadEvents,
): AsyncGenerator<KleeEvent> {
  // Watched before reading: what is written in between wakes the first wait.
  const changes = follow ? new Changes(store.changingFile, new Promise(() => undefined)) : undefined;
  try {
    const from = since === undefined ? undefined : new Date(since).toISOString();
    let seen = from === undefined && follow ? await lastEvent(store) : 0;
    for (;;) {
      const rows = await store.all("SELECT * FROM event WHERE id > ? AND time >= ? ORDER BY id", seen, from ?? "");
      for (const row of rows) {
        seen = Number(row.id);
        yield eventOf(row);
      }
      if (changes === undefined) return;
      await changes.next();
    }
  } finally {
    changes?.close();
  }
}

async function lastEvent(store: Context["store"]): Promise<number> {
  return Number((await store.get("SELECT max(id) AS last FROM event"))?.last ?? 0);
}

function eventOf(row: Row): KleeEvent {
  const type = text(row, "type");
  if (type !== "network" && type !== "container" && type !== "image")
    throw new KleeError("HOST", `the store is damaged: event of type ${type}`);
  return {
    time: text(row, "time"),
    type,
    action: text(row, "action"),
    id: text(row, "object"),
    name: text(row, "name"),
    details: JSON.parse(text(row, "details")) as KleeEvent["details"],
  };
}
