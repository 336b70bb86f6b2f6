import { KleeError } from "../errors.ts";
import type { Store } from "./store.ts";

/**
 * Schema changes in order; the database's user_version counts those applied. A change that was released is never
 * edited: the next one is appended.
 */
const migrations: readonly (readonly string[])[] = [
  [
    `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`,
    `CREATE TABLE network (
       id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, interface TEXT NOT NULL UNIQUE,
       subnet TEXT NOT NULL, subnet6 TEXT NOT NULL, gateway TEXT NOT NULL, gateway6 TEXT NOT NULL,
       nat TEXT NOT NULL, icc INTEGER NOT NULL, internal INTEGER NOT NULL) STRICT`,
    // Addresses are 32 hex digits, so that their order as text is their order as numbers in both families.
    `CREATE TABLE free_range (
       network_id TEXT NOT NULL REFERENCES network ON DELETE CASCADE, family INTEGER NOT NULL,
       first TEXT NOT NULL, last TEXT NOT NULL, PRIMARY KEY (network_id, family, first)) STRICT, WITHOUT ROWID`,
    `CREATE TABLE image (
       id TEXT PRIMARY KEY, name TEXT NOT NULL, tag TEXT NOT NULL, dataset TEXT NOT NULL, created TEXT NOT NULL,
       cmd TEXT NOT NULL, env TEXT NOT NULL, user TEXT NOT NULL, instructions TEXT NOT NULL) STRICT`,
    `CREATE UNIQUE INDEX image_name ON image (name, tag) WHERE name <> ''`,
    `CREATE TABLE container (
       id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image_id TEXT NOT NULL REFERENCES image, cmd TEXT NOT NULL,
       env TEXT NOT NULL, user TEXT NOT NULL, jail_param TEXT NOT NULL, network_driver TEXT NOT NULL,
       public_ports TEXT NOT NULL, dataset TEXT NOT NULL, created TEXT NOT NULL, persist INTEGER NOT NULL,
       execution TEXT) STRICT`,
    `CREATE INDEX container_image ON container (image_id)`,
    `CREATE TABLE mountpoint (
       container_id TEXT NOT NULL REFERENCES container ON DELETE CASCADE, destination TEXT NOT NULL,
       source TEXT NOT NULL, read_only INTEGER NOT NULL, PRIMARY KEY (container_id, destination)) STRICT`,
    `CREATE TABLE endpoint (
       id TEXT PRIMARY KEY, container_id TEXT NOT NULL REFERENCES container, network_id TEXT NOT NULL REFERENCES network,
       ip_address TEXT NOT NULL, ip_address6 TEXT NOT NULL, UNIQUE (container_id, network_id)) STRICT`,
    `CREATE UNIQUE INDEX endpoint_address ON endpoint (network_id, ip_address) WHERE ip_address <> ''`,
    `CREATE UNIQUE INDEX endpoint_address6 ON endpoint (network_id, ip_address6) WHERE ip_address6 <> ''`,
    // A command's row while it works on the kernel; one whose process is gone marks work that was cut off.
    `CREATE TABLE operation (
       id INTEGER PRIMARY KEY, kind TEXT NOT NULL, object TEXT NOT NULL, process TEXT NOT NULL,
       started TEXT NOT NULL) STRICT`,
  ],
  [
    // Of a range, the first container port belongs to the first host port.
    `CREATE TABLE published_port (
       container_id TEXT NOT NULL REFERENCES container ON DELETE CASCADE, protocol TEXT NOT NULL,
       interface TEXT NOT NULL, address TEXT NOT NULL, host_first INTEGER NOT NULL, host_last INTEGER NOT NULL,
       container_first INTEGER NOT NULL) STRICT`,
    `CREATE INDEX published_port_host ON published_port (protocol, host_first)`,
    `CREATE INDEX published_port_container ON published_port (container_id)`,
    `ALTER TABLE container DROP COLUMN public_ports`,
  ],
  [`ALTER TABLE container ADD COLUMN restart_policy TEXT NOT NULL DEFAULT 'no'`],
  [
    // How often the run under way was restarted in a row; NULL: it is not one that is.
    `ALTER TABLE container ADD COLUMN restarts INTEGER`,
    // When the last run began, Unix time in milliseconds.
    `ALTER TABLE container ADD COLUMN started INTEGER NOT NULL DEFAULT 0`,
  ],
];

/** Applies the changes that this database lacks. Any number of processes may do so at once. */
export async function migrate(store: Store): Promise<void> {
  if ((await versionOf(store)) === migrations.length) return;
  await store.transaction(async (statements) => {
    const version = await versionOf(store);
    if (version > migrations.length)
      throw new KleeError(
        "HOST",
        `the store was written by a newer klee (schema ${version}, this one knows ${migrations.length}); upgrade klee`,
      );
    for (const change of migrations.slice(version)) for (const statement of change) await statements.run(statement);
    await statements.run(`PRAGMA user_version = ${migrations.length}`);
  });
}

async function versionOf(store: Store): Promise<number> {
  return Number((await store.get("PRAGMA user_version"))?.user_version ?? 0);
}
