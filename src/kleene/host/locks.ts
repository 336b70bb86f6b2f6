import { hostFailure } from "../errors.ts";
import type { HostLock } from "./host.ts";

/** What a host's binding answers, in the domain's words. */
export function tryLock(
  attempt: (path: string, make: boolean) => HostLock | undefined,
  path: string,
  make: boolean,
): HostLock | "held" | "absent" {
  try {
    return attempt(path, make) ?? "held";
  } catch (error) {
    if (!make && error instanceof Error && "code" in error && error.code === "ENOENT") return "absent";
    return cannotLock(error);
  }
}

/** @throws {KleeError} */
export function cannotLock(error: unknown): never {
  throw hostFailure("cannot lock", error);
}
