/** Waits within Kleene's own work that a profile tells apart from it, beside the calls of the kernel. */
export type Step = "query" | "supervisor";

/**
 * Called when a step has ended.
 * @param startedAt on the clock of `process.hrtime.bigint()`.
 */
export type StepHook = (step: Step, startedAt: bigint) => void;

let told: StepHook | undefined;

/** Has a function called when a step has ended, from now on. */
export function onStep(hook: StepHook): void {
  told = hook;
}

/** Does the work, and tells the hook when its promise has settled. */
export function step<T>(name: Step, work: () => Promise<T>): Promise<T> {
  const hook = told;
  if (hook === undefined) return work();
  const startedAt = process.hrtime.bigint();
  return work().finally(() => hook(name, startedAt));
}
