import { KleeError } from "../errors.ts";
import type { Statements } from "./connection.ts";

/** How many of the last events are kept. */
const EVENTS_KEPT = 10_000;

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
  [
    // Of the last run; NULL when nobody knows.
    `ALTER TABLE container ADD COLUMN exit_code INTEGER`,
    ...eventLog(),
  ],
  [`ALTER TABLE container ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'`],
  // Where the output of the run under way goes.
  [`ALTER TABLE container ADD COLUMN output TEXT NOT NULL DEFAULT 'starter'`],
  [
    noted(
      "AFTER UPDATE OF cmd, env, user, jail_param, persist, restart_policy, limits ON container",
      "container",
      "update",
      "NEW.id",
      "NEW.name",
    ),
  ],
  [
    // Lists of addresses, CIDR blocks and ranges.
    `ALTER TABLE network ADD COLUMN ip_range TEXT NOT NULL DEFAULT '[]'`,
    `ALTER TABLE network ADD COLUMN exclude TEXT NOT NULL DEFAULT '[]'`,
  ],
  [
    // What the interfaces are that users named: by index until the next boot, by link address after it.
    `CREATE TABLE interface (
       name TEXT PRIMARY KEY, link INTEGER NOT NULL, boot TEXT NOT NULL, address TEXT NOT NULL) STRICT`,
    // On the interface of the default route, whichever that is.
    `ALTER TABLE published_port ADD COLUMN follows INTEGER NOT NULL DEFAULT 0`,
  ],
  [
    `ALTER TABLE container ADD COLUMN workdir TEXT NOT NULL DEFAULT ''`,
    `ALTER TABLE container ADD COLUMN removed_at_end INTEGER NOT NULL DEFAULT 0`,
    `DROP TRIGGER container_update`,
    noted(
      "AFTER UPDATE OF cmd, env, user, jail_param, persist, restart_policy, limits, workdir ON container",
      "container",
      "update",
      "NEW.id",
      "NEW.name",
    ),
  ],
  [
    // Names that could be starts of ids, and were somebody's: who says one again means nobody whose id starts so.
    `CREATE TABLE former_name (kind TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID`,
    ...["network", "container", "image"].flatMap((kind) =>
      ["DELETE", "UPDATE OF name"].map(
        (when) =>
          `CREATE TRIGGER former_${kind}_name_${when.slice(0, 6).toLowerCase()} AFTER ${when} ON ${kind}
             WHEN length(OLD.name) BETWEEN 1 AND 11 AND OLD.name NOT GLOB '*[^0-9a-f]*' BEGIN
             INSERT OR IGNORE INTO former_name (kind, name) VALUES ('${kind}', OLD.name); END`,
      ),
    ),
  ],
  [
    // What a running container lost of networks that others are on too, until its run ends: sockets may still name it.
    `CREATE TABLE withdrawn (
       container_id TEXT NOT NULL REFERENCES container ON DELETE CASCADE, address TEXT NOT NULL,
       PRIMARY KEY (container_id, address)) STRICT`,
    `CREATE TRIGGER withdrawn_address AFTER DELETE ON endpoint
     WHEN (SELECT type FROM network WHERE id = OLD.network_id) = 'custom'
       AND (SELECT execution FROM container WHERE id = OLD.container_id) IS NOT NULL BEGIN
       INSERT OR IGNORE INTO withdrawn SELECT OLD.container_id, address
       FROM (SELECT OLD.ip_address AS address UNION SELECT OLD.ip_address6) WHERE address <> ''; END`,
    `CREATE TRIGGER withdrawn_end AFTER UPDATE OF execution ON container WHEN NEW.execution IS NULL BEGIN
       DELETE FROM withdrawn WHERE container_id = NEW.id; END`,
  ],
  [`ALTER TABLE network ADD COLUMN log INTEGER NOT NULL DEFAULT 0`],
  [`ALTER TABLE image ADD COLUMN dns INTEGER NOT NULL DEFAULT 1`],
  [
    `CREATE TABLE volume (
       id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, dataset TEXT NOT NULL, mountpoint TEXT NOT NULL,
       created TEXT NOT NULL, filled INTEGER NOT NULL DEFAULT 0) STRICT`,
    // NULL: the source is a path of the host, else the volume's name.
    `ALTER TABLE mountpoint ADD COLUMN volume TEXT REFERENCES volume`,
    `CREATE INDEX mountpoint_volume ON mountpoint (volume)`,
    noted("AFTER INSERT ON volume", "volume", "create", "NEW.id", "NEW.name"),
    noted("AFTER DELETE ON volume", "volume", "remove", "OLD.id", "OLD.name"),
  ],
];

/** A trigger that notes an event. */
function noted(when: string, type: string, action: string, id: string, name: string, details = "'{}'"): string {
  return `CREATE TRIGGER ${type}_${action} ${when} BEGIN
       INSERT INTO event (time, type, action, object, name, details)
       VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), '${type}', '${action}', ${id}, ${name}, ${details}); END`;
}

/** The log of what changed: written by the database itself, in the transaction that makes the change, and bounded. */
function eventLog(): string[] {
  const imageName = (row: string): string => `iif(${row}.name = '', '', ${row}.name || ':' || ${row}.tag)`;
  const networkName = (row: string): string => `(SELECT name FROM network WHERE id = ${row}.network_id)`;
  const member = (row: string): string => `json_object('container', ${row}.container_id)`;
  return [
    `CREATE TABLE event (
       id INTEGER PRIMARY KEY, time TEXT NOT NULL, type TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL,
       name TEXT NOT NULL, details TEXT NOT NULL) STRICT`,
    `CREATE TRIGGER event_bound AFTER INSERT ON event BEGIN DELETE FROM event WHERE id <= NEW.id - ${EVENTS_KEPT}; END`,
    noted("AFTER INSERT ON network", "network", "create", "NEW.id", "NEW.name"),
    noted("AFTER DELETE ON network", "network", "remove", "OLD.id", "OLD.name"),
    noted("AFTER INSERT ON endpoint", "network", "connect", "NEW.network_id", networkName("NEW"), member("NEW")),
    noted("AFTER DELETE ON endpoint", "network", "disconnect", "OLD.network_id", networkName("OLD"), member("OLD")),
    noted("AFTER INSERT ON image", "image", "create", "NEW.id", imageName("NEW")),
    noted("AFTER UPDATE OF name, tag ON image", "image", "tag", "NEW.id", imageName("NEW")),
    noted("AFTER DELETE ON image", "image", "remove", "OLD.id", imageName("OLD")),
    noted("AFTER INSERT ON container", "container", "create", "NEW.id", "NEW.name"),
    noted("AFTER UPDATE OF name ON container", "container", "rename", "NEW.id", "NEW.name"),
    noted(
      "AFTER UPDATE OF execution ON container WHEN NEW.execution IS NOT NULL",
      "container",
      "start",
      "NEW.id",
      "NEW.name",
      "json_object('execution', NEW.execution)",
    ),
    noted(
      "AFTER UPDATE OF execution ON container WHEN OLD.execution IS NOT NULL AND NEW.execution IS NULL",
      "container",
      "end",
      "NEW.id",
      "NEW.name",
      "json_object('exit_code', NEW.exit_code)",
    ),
    noted("AFTER DELETE ON container", "container", "remove", "OLD.id", "OLD.name"),
  ];
}

/** A database that a transaction can be made on. */
interface Database extends Statements {
  transaction(work: (statements: Statements) => Promise<void>): Promise<void>;
}

/** Applies the changes that this database lacks. Any number of processes may do so at once. */
export async function migrate(store: Database): Promise<void> {
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

async function versionOf(store: Statements): Promise<number> {
  return Number((await store.get("PRAGMA user_version"))?.user_version ?? 0);
}
