import type { Statements } from "./store.ts";
import { text } from "./store.ts";

/** What a command was doing to the kernel when it wrote the row. */
export type OperationKind =
  | "create network"
  | "remove network"
  | "create image"
  | "remove image"
  | "create volume"
  | "remove volume"
  | "create container"
  | "start container"
  | "stop container"
  | "restart container"
  | "remove container"
  | "update container"
  | "connect container"
  | "disconnect container";

export interface Operation {
  readonly rowid: number;
  readonly kind: OperationKind;
  /** Id of the network, image, volume, container or endpoint. */
  readonly object: string;
  /** Process that does the work, as `Host.processIdentity` names it. */
  readonly process: string;
}

/** Notes the start of an operation, in the transaction that also writes what should be. Returns the row to end it with. */
export async function beginOperation(
  statements: Statements,
  kind: OperationKind,
  object: string,
  process: string,
): Promise<number> {
  const row = await statements.get(
    "INSERT INTO operation (kind, object, process, started) VALUES (?, ?, ?, ?) RETURNING id",
    kind,
    object,
    process,
    new Date().toISOString(),
  );
  return Number(row?.id);
}

export function endOperation(statements: Statements, rowid: number): Promise<void> {
  return statements.run("DELETE FROM operation WHERE id = ?", rowid);
}

/** A container that is to go with its end has none before it starts: until then its creation is not over. */
export function endCreation(statements: Statements, containerId: string): Promise<void> {
  return statements.run("DELETE FROM operation WHERE kind = 'create container' AND object = ?", containerId);
}

/** Notes that another process does the work from now on. */
export function setOperator(statements: Statements, rowid: number, process: string): Promise<void> {
  return statements.run("UPDATE operation SET process = ? WHERE id = ?", process, rowid);
}

/** What processes are doing to an object, or were when they were killed. */
export async function operationsOn(statements: Statements, object: string): Promise<Operation[]> {
  return (await listOperations(statements)).filter((operation) => operation.object === object);
}

/** Restarts that are to come: see container/restart.ts. Their objects are containers. */
export async function pendingRestarts(statements: Statements): Promise<Operation[]> {
  return (await listOperations(statements)).filter(({ kind }) => kind === "restart container");
}

export async function listOperations(statements: Statements): Promise<Operation[]> {
  const rows = await statements.all("SELECT id, kind, object, process FROM operation ORDER BY id");
  return rows.map((row) => ({
    rowid: Number(row.id),
    kind: text(row, "kind") as OperationKind,
    object: text(row, "object"),
    process: text(row, "process"),
  }));
}
