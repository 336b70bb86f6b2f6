import { rmSync } from "node:fs";
import type { Context } from "../context.ts";
import { removeConsole } from "./console.ts";
import { lockPath } from "./lock.ts";
import { removeLog } from "./log.ts";
import { removeRecord } from "./record.ts";

/** Removes what a container that is gone leaves in the store beside its files. Idempotent. */
export function removeTraces(context: Context, id: string): void {
  removeLog(context, id);
  removeRecord(context, id);
  removeConsole(context, id);
  rmSync(lockPath(context, id), { force: true });
}
