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
 * Carries out one change of store and kernel, so that it happens whole or not at all:
 * 1. `plan`, if there is something to plan, writes what should be, in one transaction that also holds a row naming the
 *    operation;
 * 2. `apply` makes the kernel agree, pushing the inverse of each step done;
 * 3. the row goes. If `apply` throws, or the row cannot go, the inverses run in reverse order, and the row goes only if
 *    there were some and all worked: a row left behind, by a removal or an inverse that failed or a killed process, tells
 *    the next command to repair.
 *
 * @param lasting false: it is about what a loss of power ends anyway, so nothing of it waits for the disk.
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

/** True when every inverse worked. Those after a failed one run all the same. */
async function undoAll(undo: readonly Undo[]): Promise<boolean> {
  let clean = true;
  for (const inverse of [...undo].reverse()) {
    try {
      await inverse();
    } catch {
      // The first failure is what the user must see; this one leaves the operation's row for reconcile.
      clean = false;
    }
  }
  return clean;
}
