import { KleeError } from "../errors.ts";
import type { JailParameters } from "../host/host.ts";

/** `_PATH_STDPATH` with the local directories, as login gives it to root. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Checks that each entry is `KEY=VALUE`. */
export function checkEnvironment(env: readonly string[]): void {
  for (const entry of env)
    if (!/^[^=\0]+=[^\0]*$/s.test(entry))
      throw new KleeError("INVALID", `invalid environment variable ${JSON.stringify(entry)}: give KEY=VALUE`);
}

/**
 * The environment of a command: the image's, the container's and the command's own, later ones winning, over a clean
 * one (jail(8), exec.clean: of the caller's only TERM) or, with exec.noclean, over the caller's.
 */
export function environmentOf(parameters: JailParameters, layers: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, string>([["PATH", DEFAULT_PATH]]);
  if (process.env.TERM !== undefined) merged.set("TERM", process.env.TERM);
  if (!parameters.execClean)
    for (const [key, value] of Object.entries(process.env)) if (value !== undefined) merged.set(key, value);
  for (const entry of layers.flat()) merged.set(keyOf(entry), entry.slice(keyOf(entry).length + 1));
  return [...merged].map(([key, value]) => `${key}=${value}`);
}

/** Variables with others added, in place of those of the same name. */
export function replaceVariables(env: readonly string[], by: readonly string[]): string[] {
  return [...new Map([...env, ...by].map((entry) => [keyOf(entry), entry])).values()];
}

const keyOf = (entry: string): string => entry.slice(0, entry.indexOf("="));
