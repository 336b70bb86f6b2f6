import { monotonicMilliseconds } from "../clock.ts";

/**
 * Where the time of one call of klee goes: `klee --trace=startup`. At each moment one part is at work, the one entered
 * last, so that what is loaded inside a kernel call, say, is not the kernel's. What no inner part claims stays with the
 * outermost, "klee": nothing is left over.
 */
export type Part =
  | "node"
  | "program"
  | "command line"
  | "klee"
  | "sqlite3"
  | "query"
  | "koffi"
  | "library"
  | "kernel"
  | "supervisor"
  | "payload"
  | "print";

let spent: Map<Part, number> | undefined;
const atWork: Part[] = [];
let since = 0;

/** Starts keeping time. What was before is Node's own start, up to the first line of the program, and the program's. */
export function beginTimeline(): void {
  const { bootstrapComplete } = performance.nodeTiming;
  spent = new Map<Part, number>([
    ["node", bootstrapComplete],
    ["program", performance.now() - bootstrapComplete],
  ]);
  since = monotonicMilliseconds();
  atWork.push("klee");
}

/** Does anybody keep time? */
export function keepsTime(): boolean {
  return spent !== undefined;
}

/** Does the work, its time counted as this part's until it is done: when it returns, or when its promise settles. */
export function during<T>(part: Part, work: () => T): T {
  if (spent === undefined) return work();
  charge();
  atWork.push(part);
  let result: T;
  try {
    result = work();
  } catch (error) {
    leave(part);
    throw error;
  }
  if (result instanceof Promise) return result.finally(() => leave(part)) as T;
  leave(part);
  return result;
}

/**
 * Counts as this part's what is not counted yet of the time since a moment: of what ends now, all that nothing within
 * it has claimed.
 *
 * @param startedAt on the clock of `process.hrtime.bigint()`.
 */
export function ended(part: Part, startedAt: bigint): void {
  charge(Number(startedAt) / 1e6);
  charge(Number.POSITIVE_INFINITY, part);
}

function leave(part: Part): void {
  charge();
  // Of parts that wait side by side the first to end need not be the last that began.
  const index = atWork.lastIndexOf(part);
  if (index >= 0) atWork.splice(index, 1);
}

/** The time since the last change, up to a moment, is that of the part at work. */
function charge(until = Number.POSITIVE_INFINITY, part = atWork.at(-1)): void {
  const moment = Math.max(since, Math.min(until, monotonicMilliseconds()));
  if (part !== undefined) spent?.set(part, (spent.get(part) ?? 0) + moment - since);
  since = moment;
}

/** The time so far by part, in milliseconds, in the order in which the parts began. Empty when nobody keeps time. */
export function timeline(): [Part, number][] {
  charge();
  return [...(spent ?? [])];
}
