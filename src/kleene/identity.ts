import { closeSync, openSync, readSync } from "node:fs";
import { epochMicroseconds } from "../clock.ts";
import { KleeError } from "./errors.ts";
import type { Row, Statements } from "./store/store.ts";
import { text } from "./store/store.ts";

const ID_LENGTH = 12;

/** random(4). Loading Node's own cryptography for a few bytes takes longer than all else that a command does. */
function randomBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const fd = openSync("/dev/urandom", "r");
  try {
    if (readSync(fd, bytes) !== count) throw new KleeError("HOST", "/dev/urandom gives no random bytes");
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** A new id: 12 hex digits, never all decimal, so that no tool takes it for a number (jail(8): a jail id). */
export function newId(): string {
  for (;;) {
    const id = randomBytes(ID_LENGTH / 2).toString("hex");
    if (!/^[0-9]+$/.test(id)) return id;
  }
}

export const isId = (text: string): boolean => /^[0-9a-f]{12}$/.test(text);

/** ISO 8601 in UTC with microseconds, `2024-02-26T08:52:13.530611Z`. */
export function timestamp(): string {
  const microseconds = epochMicroseconds();
  const seconds = new Date(Math.floor(microseconds / 1000)).toISOString().slice(0, -5);
  return `${seconds}.${String(microseconds % 1_000_000).padStart(6, "0")}Z`;
}

export type NamedTable = "network" | "container" | "image";

/** Names are what a user can type without quotes, and never look like an option, nor like a whole id. */
export function checkName(kind: NamedTable | "volume", name: string): void {
  if (name.length > 128 || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name))
    throw new KleeError(
      "INVALID",
      `invalid ${kind} name ${JSON.stringify(name)}: use letters, digits, '_', '.' and '-', a letter or digit first, 128 at most`,
    );
  refuseId(kind, name);
}

/** An id goes before a name, so what has such a name could not be reached by it once another has that id. */
export function refuseId(kind: NamedTable | "volume", name: string): void {
  if (isId(name))
    throw new KleeError(
      "INVALID",
      `invalid ${kind} name ${JSON.stringify(name)}: it could be the id of another ${kind}`,
    );
}

/**
 * Finds one row by id, by name, or by a unique prefix of its id, in this order. What was a name once is no prefix any
 * more: to say twice `network rm db` never removes a second one.
 * @throws {KleeError} NOT_FOUND; AMBIGUOUS with the candidates when several ids start so.
 */
export async function resolve(statements: Statements, table: NamedTable, reference: string): Promise<Row> {
  const exact = await statements.get(
    `SELECT * FROM ${table} WHERE id = ?1 OR ${nameCondition(table)} ORDER BY id = ?1 DESC LIMIT 1`,
    reference,
  );
  if (exact) return exact;
  if (!/^[0-9a-f]{1,11}$/.test(reference)) throw notFound(table, reference);
  const former = await statements.get("SELECT 1 AS one FROM former_name WHERE kind = ? AND name = ?", table, reference);
  if (former !== undefined) throw notFound(table, reference);
  const rows = await statements.all(
    `SELECT * FROM ${table} WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 10`,
    reference,
  );
  const [row] = rows;
  if (row === undefined) throw notFound(table, reference);
  if (rows.length === 1) return row;
  const candidates = rows.map((candidate) => `${text(candidate, "id")} (${text(candidate, "name")})`).join(", ");
  throw new KleeError("AMBIGUOUS", `${table} id ${reference} is ambiguous: ${candidates}`);
}

const nameCondition = (table: NamedTable): string =>
  table === "image" ? "(name <> '' AND (name || ':' || tag = ?1 OR (name = ?1 AND tag = 'latest')))" : "name = ?1";

export function notFound(table: NamedTable, reference: string): KleeError {
  return new KleeError("NOT_FOUND", `${table} not found: ${reference}`);
}
