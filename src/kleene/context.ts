import type { Host } from "./host/host.ts";
import type { OperationKind } from "./store/operations.ts";
import { beginOperation, endOperation } from "./store/operations.ts";
import type { Statements, Store } from "./store/store.ts";

/** What every part of the domain works with. */
export interface Context {
  /** Directory of the store. */
  readonly root: string;
  readonly store: Store;
  readonly host: Host;
  /** Command line of klee itself, for the supervisor to call when nobody else takes a container down. */
  readonly self: readonly string[];
  /** Takes a line on what went wrong beside what was asked for. */
  readonly warn: (message: string) => void;
}

/** Undoes one step. */
export type Undo = () => unknown;

/**
 * Makes one change of store and kernel, all of it or nothing:
 * 1. `plan`, if given, writes the wanted state to the store. The same transaction inserts a row that names the operation.
 * 2. `apply` changes the kernel. After each step it pushes that step's inverse.
 * 3. The row is deleted.
 *
 * If `apply` fails, or the row cannot be deleted, the inverses run in reverse order. The row is deleted only if there were
 * inverses and all of them worked. A row that stays (a failed removal, a failed inverse, a killed process) tells the next
 * command to repair.
 *
 * @param lasting false: a loss of power ends what this is about anyway, so do not wait for the disk.
 */
export async function withUndo<P, R>(
  context: Context,
  kind: OperationKind,
  object: string,
  plan: ((statements: Statements) => Promise<P>) | undefined,
  apply: (planned: P, undo: Undo[]) => Promise<R> | R,
  lasting = true,
): Promise<R> {
  const { store, host } = context;
  const begin = (statements: Statements): Promise<number> =>
    beginOperation(statements, kind, object, host.processIdentity());
  const { planned, rowid } =
    plan === undefined
      ? // P is undefined then.
        { planned: undefined as P, rowid: await begin(store.alone(lasting)) }
      : await store.transaction(
          async (statements) => ({ planned: await plan(statements), rowid: await begin(statements) }),
          lasting,
        );
  const undo: Undo[] = [];
  const end: Undo = () => endOperation(store.alone(lasting), rowid);
  try {
    const result = await apply(planned, undo);
    await end();
    return result;
  } catch (error) {
    if (undo.length > 0 && (await undoAll(undo))) await undoAll([end]);
    throw error;
  }
}

/** Runs all inverses, also those after one that failed. @returns true when every one worked. */
async function undoAll(undo: readonly Undo[]): Promise<boolean> {
  let clean = true;
  for (const inverse of [...undo].reverse()) {
    try {
      await inverse();
    } catch {
      // The user must see the first failure, which is thrown already. This one keeps the row, for reconcile.
      clean = false;
    }
  }
  return clean;
}
