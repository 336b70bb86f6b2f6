import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError, messageOf } from "../errors.ts";
import type { JailParameters } from "../host/host.ts";
import type { Stdio } from "../model.ts";
import { drivers } from "../network/drivers/table.ts";
import { operationsOn } from "../store/operations.ts";
import { environmentOf } from "./environment.ts";
import { jailCommand } from "./jail-command.ts";
import { type StoredContainer, setRestarts } from "./rows.ts";
import { startedRun } from "./run.ts";
import { takeDown } from "./takedown.ts";

const SIGTERM = 15;
const SIGKILL = 9;

const DISCARD: Stdio = { stdin: "null", stdout: "null", stderr: "null" };

/**
 * Stops a running container as jail(8) removes a jail: exec.stop inside it, SIGTERM to what still runs, SIGKILL after
 * stop.timeout, at once when that is 0; then takes it down. The caller holds the container's lock.
 */
export async function stopContainer(context: Context, container: StoredContainer): Promise<void> {
  const { jails } = context.host;
  if (!jails.isRunning(container.id))
    throw new KleeError("CONFLICT", `container not running: ${container.name} (${container.id})`);
  const parameters = jails.parseParameters(container.jailParam, container.id);
  await withUndo(
    context,
    "stop container",
    container.id,
    // Whatever becomes of this process now: what ends because of it is not to start again.
    (statements) => setRestarts(statements, container.id, null),
    async () => {
      await runStopCommand(context, container, parameters);
      if (parameters.stopTimeoutMs > 0) {
        jails.signalAll(container.id, SIGTERM);
        await jails.waitEmpty(container.id, parameters.stopTimeoutMs);
      }
      await takeDown(context, container);
    },
  );
}

/** Is another process about to stop it? */
export async function isBeingStopped({ store, host }: Context, id: string): Promise<boolean> {
  const operations = await operationsOn(store, id);
  return operations.some(({ kind, process }) => kind === "stop container" && host.isAlive(process));
}

/** exec.stop: a failing, missing or hanging command does not keep the container from being stopped. */
async function runStopCommand(context: Context, container: StoredContainer, parameters: JailParameters): Promise<void> {
  const { jails } = context.host;
  if (parameters.execStop === "") return;
  const command = {
    argv: jailCommand(parameters.execStop),
    directory: "/",
    env: environmentOf(parameters, [container.env]),
    user: "root",
    rawSockets: parameters.rawSockets,
    access: drivers[container.driver].access,
    stdio: DISCARD,
  };
  let timer: NodeJS.Timeout | undefined;
  try {
    const run = startedRun(context, container.id);
    if (run === undefined) return;
    const limit = parameters.execTimeoutMs > 0 ? parameters.execTimeoutMs : undefined;
    const process = await jails.exec(container.id, run, command, limit);
    if (limit !== undefined) timer = setTimeout(() => process.signal(SIGKILL), limit);
    await process.exited;
    process.release();
  } catch (error) {
    const absent = ["COMMAND_NOT_FOUND", "COMMAND_NOT_EXECUTABLE", "NOT_FOUND"];
    // As in a container that has as many processes as it may: it is stopped without.
    if (!(error instanceof KleeError && absent.includes(error.code)))
      context.warn(`stopped ${container.name} without its exec.stop: ${messageOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
}
