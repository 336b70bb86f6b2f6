import type { Context } from "../context.ts";
import { carryOut } from "../context.ts";
import { KleeError, messageOf } from "../errors.ts";
import type { Stdio } from "../model.ts";
import { environmentOf } from "./environment.ts";
import { type StoredContainer, setRestarts } from "./rows.ts";
import { takeDown } from "./takedown.ts";

/** jail.conf(5), stop.timeout: how long processes have to go after SIGTERM, in milliseconds. */
const STOP_TIMEOUT_MS = 10_000;
const SIGTERM = 15;
const SIGKILL = 9;

const DISCARD: Stdio = { stdin: "null", stdout: "null", stderr: "null" };

/**
 * Stops a running container as jail(8) removes a jail: exec.stop inside it, SIGTERM to what still runs, SIGKILL after
 * the timeout; then takes it down. The caller holds the container's lock.
 */
export async function stopContainer(context: Context, container: StoredContainer): Promise<void> {
  const { jails } = context.host;
  if (!jails.isRunning(container.id))
    throw new KleeError("CONFLICT", `container not running: ${container.name} (${container.id})`);
  await carryOut(
    context,
    "stop container",
    container.id,
    // Whatever becomes of this process now: what ends because of it is not to start again.
    (statements) => setRestarts(statements, container.id, null),
    async () => {
      await runStopCommand(context, container);
      jails.signalAll(container.id, SIGTERM);
      await jails.waitEmpty(container.id, STOP_TIMEOUT_MS);
      await takeDown(context, container);
    },
  );
}

/** exec.stop: a failing, missing or hanging command does not keep the container from being stopped. */
async function runStopCommand(context: Context, container: StoredContainer): Promise<void> {
  const { jails } = context.host;
  const parameters = jails.parseParameters(container.jailParam, container.id);
  if (parameters.execStop === "") return;
  const command = {
    argv: stopArguments(parameters.execStop),
    env: environmentOf(parameters, [container.env]),
    user: "root",
    rawSockets: parameters.rawSockets,
    driver: container.driver,
    stdio: DISCARD,
  };
  let timer: NodeJS.Timeout | undefined;
  try {
    const process = await jails.exec(container.id, command);
    timer = setTimeout(() => process.signal(SIGKILL), STOP_TIMEOUT_MS);
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

/** jail(8): a command with shell syntax is given to the container's sh(1), any other is split at blanks. */
function stopArguments(command: string): string[] {
  return /[!"$&'()*;<>?[\\\]`{|}~]/.test(command) ? ["/bin/sh", "-c", command] : command.trim().split(/\s+/);
}
