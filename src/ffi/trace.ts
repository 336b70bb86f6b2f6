import { writeSync } from "node:fs";

let enabled = process.env.KLEE_TRACE !== undefined && process.env.KLEE_TRACE !== "" && process.env.KLEE_TRACE !== "0";

/** Turns the trace on or off for this process; `KLEE_TRACE=1` in the environment turns it on from the start. */
export function setTrace(on: boolean): void {
  enabled = on;
}

/** True when each kernel call is to be printed. Ask before building an expensive description. */
export function tracing(): boolean {
  return enabled;
}

/** Start of a measured call, in nanoseconds; 0 when the trace is off, so that an untraced call pays no clock reading. */
export function traceStart(): bigint {
  return enabled ? process.hrtime.bigint() : 0n;
}

/**
 * Prints one kernel call on stderr, as truss(1) does: `klee: RTM_NEWADDR kleene0 10.2.3.1/32 = 0 <19 us>`.
 *
 * @param outcome the returned number, or the errno's name.
 */
export function traceCall(call: string, object: string, outcome: string | number, startedAt: bigint): void {
  if (!enabled) return;
  const microseconds = (process.hrtime.bigint() - startedAt) / 1000n;
  writeSync(2, `klee: ${call}${object === "" ? "" : ` ${object}`} = ${outcome} <${microseconds} us>\n`);
}
