import { writeSync } from "node:fs";

/** A call of the kernel or of a library, when it has ended. */
export interface Call {
  /** As its manual names it: `RTM_NEWADDR`, `jail_set`, `dlopen`. */
  readonly call: string;
  /** What it was about: an interface, a path, an address. Empty when there is nothing to name. */
  readonly object: string;
  /** The number that it returned, or the errno's name. */
  readonly outcome: string | number;
  /** When it began, on the clock of `process.hrtime.bigint()`. */
  readonly startedAt: bigint;
}

/** Is told of each call as it ends. */
export type CallHook = (call: Call) => void;

const hooks = new Set<CallHook>();

/**
 * Has a function called after each call of the kernel, from now on: to print the calls, or to add up their time.
 *
 * @returns a function that ends it.
 */
export function onCall(hook: CallHook): () => void {
  hooks.add(hook);
  return () => void hooks.delete(hook);
}

/**
 * A hook that prints each call on stderr, as truss(1) does: `RTM_NEWADDR kleene0 10.2.3.1/32 = 0 <19 us>`.
 *
 * @param prefix what each line begins with.
 */
export function printCalls(prefix = ""): CallHook {
  return ({ call, object, outcome, startedAt }) => {
    const microseconds = (process.hrtime.bigint() - startedAt) / 1000n;
    writeSync(2, `${prefix}${call}${object === "" ? "" : ` ${object}`} = ${outcome} <${microseconds} us>\n`);
  };
}

/** True when somebody is told of calls. Ask before building an expensive description. */
export function tracing(): boolean {
  return hooks.size > 0;
}

/** When a call begins, in nanoseconds; 0 when nobody is told of it, so that it pays no clock reading. */
export function traceStart(): bigint {
  return hooks.size > 0 ? process.hrtime.bigint() : 0n;
}

/**
 * Tells the hooks of a call that has ended.
 *
 * @param outcome the returned number, or the errno's name.
 * @param startedAt of {@link traceStart}.
 */
export function traceCall(call: string, object: string, outcome: string | number, startedAt: bigint): void {
  if (startedAt === 0n) return;
  for (const hook of hooks) hook({ call, object, outcome, startedAt });
}
