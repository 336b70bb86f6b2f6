import type { Context } from "../context.ts";
import { withUndo } from "../context.ts";
import { KleeError } from "../errors.ts";
import type { CommandSpec, JailParameters, JailProcess, JailSpec } from "../host/host.ts";
import { newId } from "../identity.ts";
import { imageById } from "../image/images.ts";
import type { ExecInContainer, Execution, ExecutionOptions, ExecutionResult } from "../model.ts";
import { drivers } from "../network/drivers/table.ts";
import { followGateway, followsGateway } from "../network/followed.ts";
import { containerPolicy, type PublishedOn } from "../network/policy.ts";
import { shadowed } from "../network/ports.ts";
import { publishedBy } from "../network/published.ts";
import { refuseTaken } from "../network/settle.ts";
import { endCreation } from "../store/operations.ts";
import { atOnce } from "../store/store.ts";
import { repairInterfaces } from "../system/interfaces.ts";
import { addRules } from "../system/rules.ts";
import { mountedFrom } from "../volume/mounted.ts";
import { type Attachment, addAliasesOf, addressesOf, attachmentsOf, policyContainer } from "./attachments.ts";
import { consolePath } from "./console.ts";
import { checkDirectory } from "./directory.ts";
import { takeDownAfter } from "./end.ts";
import { checkEnvironment, environmentOf } from "./environment.ts";
import { lockPath } from "./lock.ts";
import { logPath, makeLogs } from "./log.ts";
import { readRecord, recordPath } from "./record.ts";
import { beginExecution, mountpointsOf, outlivesBoot, type RunOutput, type StoredContainer } from "./rows.ts";
import { takeDown } from "./takedown.ts";

const NO_NAMESERVER =
  "the host's resolv.conf names no name server that a container reaches (loopback addresses are the container's own): " +
  "names are not resolved in it unless its image says how";

/** What a start or an exec is to run: by default the container's own command. */
export type Command = Pick<ExecInContainer, "command" | "directory" | "env" | "user">;

/**
 * Starts a stopped container with a command. The caller holds its lock.
 *
 * @param restarts how often it was restarted in a row; null: it is not to be, when it has ended.
 */
export async function startContainer(
  context: Context,
  container: StoredContainer,
  command: Command,
  options: ExecutionOptions,
  restarts: number | null,
): Promise<Execution> {
  const { host, root } = context;
  const { id } = container;
  const { access, connects } = drivers[container.driver];
  // A run that was cut off may have left something in the kernel.
  if (container.execution !== undefined || host.jails.exists(id)) await takeDown(context, container);
  const parameters = host.jails.parseParameters(container.jailParam, id);
  const executionId = newId();
  const output = outputOf(options);
  const gateway = (await followsGateway(context.store, id)) ? host.interfaces.defaultInterface() : undefined;
  return withUndo(
    context,
    "start container",
    id,
    async (statements) => {
      if (gateway !== undefined) await followGateway(statements, gateway, id);
      const [attachments, ports, image, mounts] = await atOnce([
        attachmentsOf(statements, id),
        publishedBy(statements, id),
        imageById(statements, container.imageId),
        mountpointsOf(statements, id),
        beginExecution(statements, id, { execution: executionId, restarts, output }),
      ]);
      if (container.removedAtEnd) await endCreation(statements, id);
      return { attachments, ports, image, mounts };
    },
    async ({ attachments: planned, ports: plannedPorts, image, mounts }, undo) => {
      undo.push(() => takeDown(context, { ...container, execution: executionId }));
      const { attachments, ports } = await placeAddresses(context, id, planned, plannedPorts);
      for (const warning of await shadowed(context.store, host, ports)) options.onWarning?.(warning);
      if (attachments.length > 0)
        await addRules(context, containerPolicy(policyContainer(container, attachments, ports, parameters, [])));
      const hosts = host.storage.resolver(root, id, access);
      const resolver = image.dns ? hosts : { ...hosts, text: undefined };
      const isInternal = attachments.every(({ network }) => network.internal);
      if (connects && image.dns && resolver.nameservers === 0 && !isInternal) options.onWarning?.(NO_NAMESERVER);
      const spec: JailSpec = {
        id,
        access,
        addresses: addressesOf(attachments),
        parameters,
        limits: container.limits,
        root: host.storage.rootOf(root, id, image.dataset),
        resolver,
        mounts: await mountedFrom(context, id, image.dataset, mounts),
        logPath: logPath(context, id),
        console:
          output === "terminal" || output === "log and input"
            ? { socket: consolePath(context, id), starter: options.log !== true }
            : undefined,
        recordPath: recordPath(context, id),
        lockPath: lockPath(context, id),
        teardown: [...context.self, "--root", root, "system", "teardown", id, executionId],
      };
      const first = commandSpec(container, parameters, command, options);
      options.onCreated?.(executionId);
      makeLogs(context);
      const process = await host.jails.start(spec, first);
      return new RunningExecution(context, executionId, id, executionId, process, options.onWarning);
    },
    outlivesBoot(container),
  );
}

/**
 * Gives a container's addresses to the interfaces of its networks. Where one is gone, or has another name, it is repaired
 * first, as `klee system reconcile` does.
 */
async function placeAddresses(
  context: Context,
  id: string,
  attachments: readonly Attachment[],
  ports: readonly PublishedOn[],
): Promise<{ readonly attachments: readonly Attachment[]; readonly ports: readonly PublishedOn[] }> {
  try {
    await placeFree(context, attachments);
    return { attachments, ports };
  } catch (error) {
    if (!(error instanceof KleeError && (error.code === "NOT_FOUND" || error.code === "CONFLICT"))) throw error;
    if (!(await repairInterfaces(context))) throw error;
    const after = await attachmentsOf(context.store, id);
    await placeFree(context, after);
    return { attachments: after, ports: await publishedBy(context.store, id) };
  }
}

async function placeFree({ host }: Context, attachments: readonly Attachment[]): Promise<void> {
  for (const { endpoint, network } of attachments)
    await refuseTaken(host, network, [endpoint.ip_address, endpoint.ip_address6]);
  for (const attachment of attachments) addAliasesOf(host, attachment);
}

function outputOf({ log, input, stdio }: ExecutionOptions): RunOutput {
  if (stdio.terminal !== undefined) return "terminal";
  if (log !== true) return "starter";
  return input === true ? "log and input" : "log";
}

/**
 * The run of a container whose first command has started, as its host names it; undefined when there is none yet, or none
 * any more. No lock is needed to ask, nor to start a command in it.
 */
export function startedRun(context: Context, id: string): string | undefined {
  const run = context.host.jails.runOf(id);
  // In this order: the supervisor empties the record before there is a jail, and writes the pid after the start.
  return run !== undefined && readRecord(context, id)?.pid !== undefined ? run : undefined;
}

/**
 * Starts a further command in a running container. Whoever is in there can hinder it, even stop it, so no lock is held
 * meanwhile.
 * @param run as `startedRun` gives it.
 */
export async function execInContainer(
  context: Context,
  container: StoredContainer,
  run: string,
  command: Command,
  options: ExecutionOptions,
): Promise<Execution> {
  const parameters = context.host.jails.parseParameters(container.jailParam, container.id);
  const executionId = newId();
  const spec = commandSpec(container, parameters, command, options);
  options.onCreated?.(executionId);
  const process = await context.host.jails.exec(container.id, run, spec);
  return new RunningExecution(context, executionId, container.id, container.execution, process, options.onWarning);
}

function commandSpec(
  container: StoredContainer,
  parameters: JailParameters,
  command: Command,
  options: ExecutionOptions,
): CommandSpec {
  checkEnvironment(command.env ?? []);
  const argv = command.command.length > 0 ? command.command : container.cmd;
  if (argv.length === 0) throw new KleeError("INVALID", `container ${container.id} has no command; give one`);
  if (command.directory !== undefined) checkDirectory(command.directory);
  return {
    argv,
    directory: command.directory ?? container.directory,
    env: environmentOf(parameters, [container.env, command.env ?? []]),
    user: command.user || parameters.jailUser || container.user || "root",
    rawSockets: parameters.rawSockets,
    access: drivers[container.driver].access,
    stdio: options.stdio,
  };
}

class RunningExecution implements Execution {
  readonly id: string;
  readonly containerId: string;
  readonly exited: Promise<ExecutionResult>;
  readonly #process: JailProcess;
  /** The execution that started the run of which this one is a part. */
  readonly #run: string | undefined;
  #detached = false;

  constructor(
    context: Context,
    id: string,
    containerId: string,
    run: string | undefined,
    process: JailProcess,
    warn: ExecutionOptions["onWarning"],
  ) {
    this.id = id;
    this.containerId = containerId;
    this.#run = run;
    this.#process = process;
    this.exited = this.#watch(context, warn);
    // Whoever detaches does not look at the promise; its failure must not end the process.
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get terminal(): Execution["terminal"] {
    return this.#process.terminal;
  }

  signal(number: number): void {
    this.#process.signal(number);
  }

  detach(): void {
    this.#detached = true;
    this.#process.detach();
  }

  async #watch(context: Context, warn: ExecutionOptions["onWarning"]): Promise<ExecutionResult> {
    try {
      const { status, jailEmpty } = await this.#process.exited.catch(async (error: unknown) => {
        // The supervisor was killed, and would have been the one to take the container down.
        await this.#takeDown(context);
        throw error;
      });
      if (jailEmpty) await this.#takeDown(context);
      for (const { stream, code } of await this.#process.copied)
        warn?.(`not all that the command wrote to ${stream} could be written: ${code}`);
      return { status, containerEnded: jailEmpty };
    } finally {
      this.#process.release();
    }
  }

  /** Takes the container down, unless it still runs, or this process is about to go: then its supervisor does. */
  async #takeDown(context: Context): Promise<void> {
    if (this.#detached) return;
    await takeDownAfter(context, this.containerId, this.#run);
    this.#process.takenDown();
  }
}
