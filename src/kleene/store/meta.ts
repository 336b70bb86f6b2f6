import type { Statements } from "./store.ts";

/** Boot id of the host when the store was last in agreement with the kernel; undefined in a new store. */
export async function readBootId(statements: Statements): Promise<string | undefined> {
  const row = await statements.get("SELECT value FROM meta WHERE key = 'boot_id'");
  return typeof row?.value === "string" ? row.value : undefined;
}

export function writeBootId(statements: Statements, bootId: string): Promise<void> {
  return statements.run(
    "INSERT INTO meta (key, value) VALUES ('boot_id', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    bootId,
  );
}
