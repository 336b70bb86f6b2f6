import { isDeepStrictEqual } from "node:util";
import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { checkName } from "../identity.ts";
import type { Limits, UpdateContainer } from "../model.ts";
import type { Statements } from "../store/store.ts";
import { checkDirectory } from "./directory.ts";
import { checkEnvironment, replaceVariables } from "./environment.ts";
import { jailCommand } from "./jail-command.ts";
import { parseLimit } from "./limits.ts";
import { replaceParameters } from "./parameters.ts";
import { cancelRestart } from "./restart.ts";
import { parseRestartPolicy, startsAgain } from "./restart-policy.ts";
import { type StoredContainer, setName, setSettings } from "./rows.ts";

/**
 * Changes what was asked for, and nothing else; a run under way gets the limits and goes on as it was started else. The
 * caller holds the lock.
 * @throws {KleeError} INVALID or UNSUPPORTED for what `create` would refuse; CONFLICT for a taken name; HOST for limits
 *   that the kernel refuses now. Nothing has changed then.
 */
export async function updateContainer(
  context: Context,
  container: StoredContainer,
  request: UpdateContainer,
): Promise<StoredContainer> {
  const { host, store } = context;
  if (request.name !== undefined) checkName("container", request.name);
  checkEnvironment(request.env ?? []);
  checkDirectory(request.directory ?? "");
  const jailParam = replaceParameters(container.jailParam, request.jailParams ?? []);
  const { execStart } = host.jails.parseParameters(jailParam, container.id);
  const startsOtherwise = execStart !== host.jails.parseParameters(container.jailParam, container.id).execStart;
  const kept = startsOtherwise && execStart !== "" ? jailCommand(execStart) : container.cmd;
  const updated: StoredContainer = {
    ...container,
    name: request.name ?? container.name,
    cmd: request.command.length > 0 ? request.command : kept,
    env: replaceVariables(container.env, request.env ?? []),
    user: request.user || container.user,
    directory: request.directory ?? container.directory,
    jailParam,
    persist: request.persist ?? container.persist,
    limits: updatedLimits(container.limits, request),
    restartPolicy: request.restart === undefined ? container.restartPolicy : parseRestartPolicy(request.restart),
  };
  host.jails.checkLimits(updated.limits);
  const write = async (statements: Statements): Promise<void> => {
    await setSettings(statements, updated);
    // A rename does not wait for the lock, so a name that was not asked for may be out of date.
    if (request.name !== undefined) await setName(statements, container.id, request.name);
    if (!startsAgain(updated.restartPolicy, 0, undefined)) await cancelRestart({ store: statements, host }, container);
  };
  if (isDeepStrictEqual(updated.limits, container.limits) || !host.jails.isRunning(container.id))
    await store.transaction(write);
  else
    await withUndo(context, "update container", container.id, write, (_, undo) => {
      undo.push(() =>
        store.transaction(async (statements) => {
          await setSettings(statements, container);
          if (request.name !== undefined) await setName(statements, container.id, container.name);
        }),
      );
      undo.push(() => applyLimits(context, container));
      applyLimits(context, updated);
    });
  return updated;
}

/** Gives a container that runs the limits that the store has. Its lock is held. */
export function applyLimits({ host }: Context, { id, limits }: StoredContainer): void {
  try {
    if (host.jails.isRunning(id)) host.jails.changeLimits(id, limits);
  } catch (error) {
    // It may have ended meanwhile.
    if (host.jails.isRunning(id)) throw error;
  }
}

function updatedLimits(limits: Limits, { cpus, memory, pids, ports }: UpdateContainer): Limits {
  return {
    cpus: cpus === undefined ? limits.cpus : parseLimit("cpus", cpus),
    memory: memory === undefined ? limits.memory : parseLimit("memory", memory),
    pids: pids === undefined ? limits.pids : parseLimit("pids", pids),
    ports: ports === undefined ? limits.ports : parseLimit("ports", ports),
  };
}
