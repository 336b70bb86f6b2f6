import { mkdirSync, rmSync } from "node:fs";
import type { Context } from "../context.ts";

/**
 * Path of the socket where others attach to a container's run: `ROOT/consoles/ID`, made by the supervisor
 * (native/src/common/console.rs). Its directory is made.
 */
export function consolePath({ root }: Context, containerId: string): string {
  mkdirSync(`${root}/consoles`, { recursive: true, mode: 0o700 });
  return `${root}/consoles/${containerId}`;
}

export function removeConsole(context: Context, containerId: string): void {
  rmSync(consolePath(context, containerId), { force: true });
}
