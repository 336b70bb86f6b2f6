import { KleeError } from "../errors.ts";
import type { RestartPolicy } from "../model.ts";

const ON_FAILURE = /^on-failure(?::([1-9]\d{0,5}))?$/;

/**
 * Reads a restart policy.
 * @throws {KleeError} INVALID.
 */
export function parseRestartPolicy(text: string): RestartPolicy {
  if (!isRestartPolicy(text))
    throw new KleeError(
      "INVALID",
      `unknown restart policy ${JSON.stringify(text)}; available: no, on-startup, on-failure[:N], always`,
    );
  return text;
}

export function isRestartPolicy(text: string): text is RestartPolicy {
  return ["no", "on-startup", "always"].includes(text) || ON_FAILURE.test(text);
}

/** Does the container start with the host? */
export const startsWithHost = (policy: RestartPolicy): boolean => policy === "on-startup" || policy === "always";

/**
 * May it start again after its command ended?
 *
 * @param restarts how often it has done so in a row.
 * @param status the command's exit status; undefined when nobody knows, which is taken for a failure.
 */
export function startsAgain(policy: RestartPolicy, restarts: number, status: number | undefined): boolean {
  if (policy === "always") return true;
  const [matched, limit] = ON_FAILURE.exec(policy) ?? [];
  return matched !== undefined && status !== 0 && (limit === undefined || restarts < Number(limit));
}
