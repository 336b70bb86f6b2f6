import { Changes } from "../changes.ts";
import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { KleeEvent, ReadEvents } from "../model.ts";
import { type Row, type Statements, text } from "../store/store.ts";

/** Written by the database's triggers (store/migrations.ts), so that no change is left out and none is told that failed. */

/** Nothing was written for so long, in milliseconds: a look that others have to wait for is in nobody's way. */
const QUIET_MS = 20;

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
    const look = (statements: Statements): Promise<Row[]> =>
      statements.all("SELECT * FROM event WHERE id > ? AND time >= ? ORDER BY id", seen, from ?? "");
    for (let quiet = false; ; ) {
      // What SQLite has written it shows a moment later, and of that nobody tells. Who has the write lock sees all of it.
      const rows = quiet ? await store.transaction(look, false) : await look(store);
      for (const row of rows) {
        seen = Number(row.id);
        yield eventOf(row);
      }
      if (changes === undefined) return;
      quiet = !(await changes.next(quiet ? undefined : QUIET_MS));
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
  if (type !== "network" && type !== "container" && type !== "image" && type !== "volume")
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
