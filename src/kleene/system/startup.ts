import { containerById, storedContainer } from "../container/rows.ts";
import { startContainer, withContainer } from "../container/run.ts";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";

/**
 * Starts the containers with the restart policy `on-startup` that do not run, detached, the oldest first. One that
 * cannot be started keeps no other from it.
 *
 * @returns one line for each: that it was started, or why not.
 */
export async function startOnStartup(context: Context): Promise<string[]> {
  const rows = await context.store.all("SELECT * FROM container WHERE restart_policy = 'on-startup' ORDER BY created");
  const lines: string[] = [];
  for (const { id, name } of rows.map(storedContainer)) {
    try {
      if (await startIfStopped(context, id)) lines.push(`container ${name} (${id}) starts with the host: started it`);
    } catch (error) {
      const failure = `container ${name} (${id}) does not start with the host: ${messageOf(error)}`;
      context.warn(failure);
      lines.push(failure);
    }
  }
  return lines;
}

/** False when it runs, or was removed meanwhile. */
async function startIfStopped(context: Context, id: string): Promise<boolean> {
  if ((await containerById(context.store, id)) === undefined) return false;
  return withContainer(context, id, async (container) => {
    if (context.host.jails.running().has(id)) return false;
    const stdio = { stdin: "null", stdout: "null", stderr: "null" } as const;
    (await startContainer(context, container, { command: [] }, { stdio, log: true, onWarning: context.warn })).detach();
    return true;
  });
}
