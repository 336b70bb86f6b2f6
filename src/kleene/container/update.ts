import type { Context } from "../context.ts";
import { checkName } from "../identity.ts";
import type { Limits, UpdateContainer } from "../model.ts";
import { checkEnvironment, replaceVariables } from "./environment.ts";
import { parseLimit } from "./limits.ts";
import { replaceParameters } from "./parameters.ts";
import { cancelRestart } from "./restart.ts";
import { parseRestartPolicy, startsAgain } from "./restart-policy.ts";
import { type StoredContainer, setName, setSettings } from "./rows.ts";

/**
 * Changes what was asked for, and nothing else; a run under way goes on as it was started. The caller holds the lock.
 * @throws {KleeError} INVALID or UNSUPPORTED for what `create` would refuse; CONFLICT for a taken name.
 */
export async function updateContainer(
  context: Context,
  container: StoredContainer,
  request: UpdateContainer,
): Promise<StoredContainer> {
  const { host, store } = context;
  if (request.name !== undefined) checkName("container", request.name);
  checkEnvironment(request.env ?? []);
  const updated: StoredContainer = {
    ...container,
    name: request.name ?? container.name,
    cmd: request.command.length > 0 ? request.command : container.cmd,
    env: replaceVariables(container.env, request.env ?? []),
    user: request.user || container.user,
    jailParam: replaceParameters(container.jailParam, request.jailParams ?? []),
    persist: request.persist ?? container.persist,
    limits: updatedLimits(container.limits, request),
    restartPolicy: request.restart === undefined ? container.restartPolicy : parseRestartPolicy(request.restart),
  };
  host.jails.parseParameters(updated.jailParam, container.id);
  host.jails.checkLimits(updated.limits);
  await store.transaction(async (statements) => {
    await setSettings(statements, updated);
    // A rename does not wait for the lock, so a name that was not asked for may be out of date.
    if (request.name !== undefined) await setName(statements, container.id, request.name);
    if (!startsAgain(updated.restartPolicy, 0, undefined)) await cancelRestart({ store: statements, host }, container);
  });
  return updated;
}

function updatedLimits(limits: Limits, { cpus, memory, pids }: UpdateContainer): Limits {
  return {
    cpus: cpus === undefined ? limits.cpus : parseLimit("cpus", cpus),
    memory: memory === undefined ? limits.memory : parseLimit("memory", memory),
    pids: pids === undefined ? limits.pids : parseLimit("pids", pids),
  };
}
