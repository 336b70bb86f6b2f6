import { rmSync } from "node:fs";
import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import { checkName, newId, resolve, timestamp } from "../identity.ts";
import { imageForContainer } from "../image/images.ts";
import type { CreateContainer } from "../model.ts";
import { checkWanted, connect } from "../network/endpoints.ts";
import { noteInterface } from "../network/followed.ts";
import { placeRequests, portsInUse, publish, refuseDead } from "../network/ports.ts";
import { parsePublish } from "../network/publish.ts";
import { networkOf } from "../network/rows.ts";
import { settleEndpoint } from "../network/settle.ts";
import { beginOperation } from "../store/operations.ts";
import { atOnce, list, type Statements } from "../store/store.ts";
import { makeVolumes, removeMade } from "../volume/mounted.ts";
import { checkDirectory } from "./directory.ts";
import { checkEnvironment } from "./environment.ts";
import { jailCommand } from "./jail-command.ts";
import { parseLimits } from "./limits.ts";
import { lockPath, makeLock } from "./lock.ts";
import { insertMounts, parseMount, refuseRepeated, refuseStore, requireSources } from "./mounts.ts";
import { randomName } from "./names.ts";
import { DEFAULT_PARAMETERS, replaceParameters } from "./parameters.ts";
import { deleteContainer } from "./removal.ts";
import { parseRestartPolicy } from "./restart-policy.ts";
import { driverOf, insertContainer, type StoredContainer, withDriver } from "./rows.ts";

/** Names a container, takes its addresses and makes its file system; or leaves nothing behind. */
export async function createContainer(context: Context, asked: CreateContainer): Promise<StoredContainer> {
  const request = withDriver(asked);
  const { root, host, store } = context;
  const id = newId();
  const endpointId = newId();
  const wanted = { ip: request.ip, ip6: request.ip6 };
  const driver = driverOf(request);
  const restartPolicy = parseRestartPolicy(request.restart ?? "no");
  if (request.removedAtEnd && restartPolicy !== "no")
    throw new KleeError("INVALID", "a container that is to be removed when it has ended cannot be restarted");
  const limits = parseLimits(request);
  if (request.name !== undefined) checkName("container", request.name);
  checkEnvironment(request.env ?? []);
  checkDirectory(request.directory ?? "");
  const wantedPorts = (request.publish ?? []).map(parsePublish);
  checkWanted(wanted);
  const mounts = (request.mounts ?? []).map((mount) => parseMount(id, mount));
  refuseRepeated(mounts);
  refuseStore(root, mounts);
  requireSources(mounts);
  const jailParam = replaceParameters(DEFAULT_PARAMETERS, request.jailParams ?? []);
  const parameters = host.jails.parseParameters(jailParam, id);
  const { execStart } = parameters;
  host.jails.checkMounts(mounts, parameters);
  const ownCommand = request.command.length > 0 || execStart === "" ? request.command : jailCommand(execStart);
  host.checkSystem();
  host.jails.checkLimits(limits);
  const ports = placeRequests(wantedPorts, host);
  const dataset = host.storage.containerDataset(root, id);
  const made = await makeVolumes(context, mounts);

  return await withUndo(
    context,
    "create container",
    id,
    async (statements) => {
      const [image, name, network] = await atOnce([
        imageForContainer(statements, request.image, host),
        request.name ?? freeName(statements),
        request.network === undefined ? undefined : resolve(statements, "network", request.network),
      ]);
      const container: StoredContainer = {
        id,
        name,
        imageId: image.id,
        cmd: ownCommand.length > 0 ? ownCommand : image.cmd,
        env: [...image.env, ...(request.env ?? [])],
        user: request.user || image.user,
        directory: request.directory ?? "",
        jailParam,
        driver,
        dataset,
        created: timestamp(),
        persist: request.persist ?? false,
        removedAtEnd: request.removedAtEnd ?? false,
        limits,
        restartPolicy,
        restarts: undefined,
        started: 0,
        output: "starter",
        execution: undefined,
      };
      await insertContainer(statements, container);
      // Whoever dies before it starts the container leaves nothing of it.
      if (container.removedAtEnd) await beginOperation(statements, "create container", id, host.processIdentity());
      await insertMounts(statements, mounts);
      await publish(statements, id, ports, portsInUse(host));
      for (const port of ports) if (!port.follows) await noteInterface(statements, host, undefined, port.interface);
      if (network !== undefined) {
        const addresses = await connect(statements, endpointId, id, networkOf(network), wanted, host);
        refuseDead(ports, addresses, networkOf(network).name);
      }
      return { container, image, network };
    },
    async ({ container, image, network }, undo) => {
      undo.push(() => store.transaction((statements) => deleteContainer(statements, id)));
      undo.push(() => rmSync(lockPath(context, id), { force: true }));
      makeLock(context, id);
      if (network !== undefined) await settleEndpoint(context, endpointId, networkOf(network), wanted);
      undo.push(() => host.storage.removeContainer(root, id));
      await host.storage.createContainer(root, id, image.dataset);
      return container;
    },
  ).catch(async (error: unknown) => {
    await removeMade(context, made);
    throw error;
  });
}

async function freeName(statements: Statements): Promise<string> {
  // One value: a thousand rows take several times as long to come out of the addon.
  const row = await statements.get("SELECT json_group_array(name) AS names FROM container");
  const taken = new Set(row === undefined ? [] : list(row, "names"));
  const name = randomName((candidate) => taken.has(candidate));
  if (taken.has(name)) throw new KleeError("CONFLICT", "no free random name is left; give --name");
  return name;
}
