import type { Context } from "../context.ts";
import { KleeError } from "../errors.ts";
import { checkName, resolve } from "../identity.ts";
import type {
  Attachment,
  Container,
  ContainerInspection,
  ContainerListing,
  ContainerProcess,
  ContainerUsage,
  CreateContainer,
  ExecInContainer,
  Execution,
  LogRecord,
  ReadLog,
  StartContainer,
  UpdateContainer,
} from "../model.ts";
import { endpointsOf } from "../network/endpoints.ts";
import { publishedBy } from "../network/published.ts";
import { removeUnused } from "../prune.ts";
import { pendingRestarts } from "../store/operations.ts";
import type { Statements } from "../store/store.ts";
import { atOnce, list, text } from "../store/store.ts";
import { attachTo } from "./attach.ts";
import { attachmentsOf, publicPorts } from "./attachments.ts";
import { createContainer } from "./create.ts";
import { execute } from "./exec.ts";
import { isLockable, withContainer } from "./lock.ts";
import { readLog } from "./log.ts";
import { readRecord, waitForOutput, waitForStatus } from "./record.ts";
import { removeStopped } from "./removal.ts";
import { cancelRestart } from "./restart.ts";
import { mountpointsOf, type StoredContainer, setName, storedContainer } from "./rows.ts";
import { type Command, startContainer } from "./run.ts";
import { stopContainer } from "./stop.ts";
import { updateContainer } from "./update.ts";

const OWN_COMMAND: Command = { command: [] };

/** What the list of containers is made from. */
type ListedRow = readonly [
  id: string,
  name: string,
  cmd: string,
  created: string,
  imageId: string,
  imageName: string,
  imageTag: string,
];

/** Containers: an image's files, a place in a network, and the processes that run there. */
export class Containers {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Makes a container without starting it.
   * @throws {KleeError} INVALID for a malformed request; NOT_FOUND for the image or network; CONFLICT for a taken name
   *   or address, or a full network. Nothing is left behind.
   */
  async create(request: CreateContainer): Promise<Container> {
    return this.#present(await createContainer(this.#context, request));
  }

  /**
   * Starts a stopped container with its own command.
   * @throws {KleeError} CONFLICT when it runs; COMMAND_NOT_FOUND or COMMAND_NOT_EXECUTABLE when the command cannot be
   *   started; HOST when a kernel call fails. The container is stopped then, and kept.
   */
  async start(reference: string, options: StartContainer): Promise<Execution> {
    return this.#with(reference, async (container) => {
      if (this.#isRunning(container))
        throw new KleeError("CONFLICT", `container already running: ${container.name} (${container.id})`);
      await cancelRestart(this.#context, container);
      return startContainer(this.#context, container, OWN_COMMAND, options, 0);
    });
  }

  /**
   * Runs a command in a container, which is started with it when it does not run.
   * @throws {KleeError} CONFLICT when it ran, or was being stopped, and is stopped by the time that it can be used.
   */
  async exec(reference: string, request: ExecInContainer): Promise<Execution> {
    const id = await this.#idOf(reference);
    this.#context.host.checkSystem();
    return execute(this.#context, id, request);
  }

  /**
   * Stops a container, or calls its restart off; returns its id.
   * @throws {KleeError} CONFLICT when it does not run, and is not to.
   */
  async stop(reference: string): Promise<string> {
    return this.#with(reference, async (container) => {
      const restarting = await cancelRestart(this.#context, container);
      if (!restarting || this.#isRunning(container)) await stopContainer(this.#context, container);
      if (container.removedAtEnd) await removeStopped(this.#context, container);
      return container.id;
    });
  }

  /**
   * Waits until the run under way has ended, if there is one.
   *
   * @returns the exit status of the last run's first process: its code, or 128 + the signal's number.
   * @throws {KleeError} CONFLICT when the container has not run yet.
   */
  async wait(reference: string): Promise<number> {
    const id = text(await resolve(this.#context.store, "container", reference), "id");
    return waitForStatus(this.#context, id);
  }

  /**
   * Sends a signal to the first process of a running container; returns the container's id.
   * @throws {KleeError} CONFLICT when it does not run, or runs on without that process.
   */
  async kill(reference: string, signal: number): Promise<string> {
    const { store, host } = this.#context;
    const container = storedContainer(await resolve(store, "container", reference));
    const { id, name } = container;
    if (!this.#isRunning(container)) throw new KleeError("CONFLICT", `container not running: ${name} (${id})`);
    const { pid, status } = readRecord(this.#context, id) ?? {};
    if (pid === undefined || status !== undefined || !host.jails.signal(id, pid, signal))
      throw new KleeError("CONFLICT", `the first process of ${name} (${id}) has ended; 'klee stop' ends the others`);
    return id;
  }

  /**
   * The processes of a running container, by pid.
   * @throws {KleeError} CONFLICT when it does not run.
   */
  async processes(reference: string): Promise<readonly ContainerProcess[]> {
    const { store, host } = this.#context;
    const container = storedContainer(await resolve(store, "container", reference));
    if (!this.#isRunning(container))
      throw new KleeError("CONFLICT", `container not running: ${container.name} (${container.id})`);
    return host.jails.processes(container.id);
  }

  /**
   * What running containers use, newest first. Those that have ended are left out.
   * @param references undefined: all that run.
   */
  async usage(references: readonly string[] | undefined): Promise<readonly ContainerUsage[]> {
    const { store, host } = this.#context;
    const rows =
      references === undefined
        ? await store.all("SELECT * FROM container ORDER BY created DESC")
        : await Promise.all(references.map((reference) => resolve(store, "container", reference)));
    const running = host.jails.running();
    return rows.map(storedContainer).flatMap(({ id, name }) => {
      const used = running.has(id) ? host.jails.usage(id) : undefined;
      return used === undefined ? [] : [{ id, name, ...used }];
    });
  }

  /**
   * Connects to the first process of a running container: to its terminal, or else to what it writes.
   * @throws {KleeError} CONFLICT when it does not run, or its output goes where its starter was told to write.
   */
  async attach(reference: string): Promise<Attachment> {
    const { store, host } = this.#context;
    const container = storedContainer(await resolve(store, "container", reference));
    const { id, name } = container;
    const { pid, status } = readRecord(this.#context, id) ?? {};
    if (!this.#isRunning(container) || pid === undefined || status !== undefined)
      throw new KleeError("CONFLICT", `container not running: ${name} (${id})`);
    return {
      ...attachTo(this.#context, container),
      signal: (number) => {
        host.jails.signal(id, pid, number);
      },
    };
  }

  /** Stops a container if it runs, and starts it with its own command. */
  async restart(reference: string, options: StartContainer): Promise<Execution> {
    return this.#with(reference, async (container) => {
      await cancelRestart(this.#context, container);
      if (this.#isRunning(container)) await stopContainer(this.#context, container);
      return startContainer(this.#context, { ...container, execution: undefined }, OWN_COMMAND, options, 0);
    });
  }

  /**
   * Running containers and those that are to start again, or all of them, newest first.
   */
  async list({ all }: { readonly all: boolean }): Promise<readonly ContainerListing[]> {
    const { store, host } = this.#context;
    // One value: of a thousand containers, those of all columns take four times as long to come out of the addon.
    const found = await store.get(
      `SELECT json_group_array(
                json_array(container.id, container.name, container.cmd, container.created,
                           container.image_id, image.name, image.tag)
                ORDER BY container.created DESC) AS rows
       FROM container JOIN image ON image.id = container.image_id`,
    );
    const rows: readonly ListedRow[] = JSON.parse(found === undefined ? "[]" : text(found, "rows"));
    const running = host.jails.running();
    const restarting = new Set((await pendingRestarts(store)).map(({ object }) => object));
    const listings = rows.map(([id, name, cmd, created, imageId, imageName, imageTag]): ContainerListing => {
      const image = imageName === "" ? imageId : `${imageName}:${imageTag}`;
      const jid = running.get(id);
      const stopped = restarting.has(id) ? "restarting" : "stopped";
      return {
        id,
        name,
        image,
        command: list({ cmd }, "cmd"),
        created,
        status: jid === undefined ? stopped : "running",
        jid,
      };
    });
    return all ? listings : listings.filter(({ status }) => status !== "stopped");
  }

  /** All that is known of a container. */
  async inspect(reference: string): Promise<ContainerInspection> {
    const { store } = this.#context;
    const container = storedContainer(await resolve(store, "container", reference));
    return {
      container: await this.#present(container),
      container_endpoints: await endpointsOf(store, { containerId: container.id }),
      container_mountpoints: await mountpointsOf(store, container.id),
    };
  }

  /**
   * Removes a container and its files; returns its id.
   * @throws {KleeError} CONFLICT when it runs and `force` is not set.
   */
  async remove(reference: string, { force }: { readonly force: boolean }): Promise<string> {
    return this.#with(reference, async (container) => {
      const context = this.#context;
      if (this.#isRunning(container)) {
        if (!force)
          throw new KleeError(
            "CONFLICT",
            `you cannot remove a running container: ${container.name} (${container.id}); stop it first or use -f`,
          );
        await stopContainer(context, container);
      }
      await removeStopped(context, container);
      return container.id;
    });
  }

  /** What the container's first command wrote that no klee showed, in pieces, oldest first. */
  async *logs(reference: string, request: ReadLog): AsyncGenerator<LogRecord> {
    const context = this.#context;
    const container = storedContainer(await resolve(context.store, "container", reference));
    const running = request.follow === true && this.#isRunning(container);
    const ended = running ? waitForOutput(context, container.id) : Promise.resolve();
    yield* readLog(context, container.id, request, ended);
  }

  /** Gives a container another name; nothing else changes. */
  async rename(reference: string, name: string): Promise<Container> {
    checkName("container", name);
    const { store } = this.#context;
    return store.transaction(async (statements) => {
      const container = storedContainer(await resolve(statements, "container", reference));
      await setName(statements, container.id, name);
      return this.#present({ ...container, name }, statements);
    });
  }

  /**
   * Changes settings of a container; what is not given stays. Name, limits, restart policy and `persist` count at once,
   * the rest from the next start on.
   * @throws {KleeError} as `create`.
   */
  async update(reference: string, request: UpdateContainer): Promise<Container> {
    return this.#with(reference, async (container) =>
      this.#present(await updateContainer(this.#context, container, request)),
    );
  }

  /** Removes every container that neither runs nor was made to persist. Returns their ids. */
  async prune(): Promise<readonly string[]> {
    const { store } = this.#context;
    const rows = await store.all("SELECT * FROM container WHERE NOT persist ORDER BY created");
    const restarting = (await pendingRestarts(store)).map(({ object }) => object);
    const stopped = rows
      .map(storedContainer)
      .filter((container) => !this.#isRunning(container) && !restarting.includes(container.id));
    return removeUnused(
      stopped.map(({ id }) => id),
      (id) => this.remove(id, { force: false }),
    );
  }

  async #with<T>(reference: string, work: (container: StoredContainer) => Promise<T>): Promise<T> {
    const id = await this.#idOf(reference);
    this.#context.host.checkSystem();
    return withContainer(this.#context, id, work);
  }

  /** Whoever has the whole id needs no look for it. */
  async #idOf(reference: string): Promise<string> {
    if (isLockable(this.#context, reference)) return reference;
    return text(await resolve(this.#context.store, "container", reference), "id");
  }

  #isRunning(container: StoredContainer): boolean {
    return this.#context.host.jails.isRunning(container.id);
  }

  async #present(container: StoredContainer, statements: Statements = this.#context.store): Promise<Container> {
    const [ports, attachments] = await atOnce([
      publishedBy(statements, container.id),
      attachmentsOf(statements, container.id),
    ]);
    const running = this.#isRunning(container);
    return {
      cmd: container.cmd,
      created: container.created,
      dataset: container.dataset,
      env: container.env,
      exit_code: running ? null : (readRecord(this.#context, container.id)?.status ?? null),
      id: container.id,
      image_id: container.imageId,
      jail_param: container.jailParam,
      limits: container.limits,
      name: container.name,
      network_driver: container.driver,
      persist: container.persist,
      public_ports: publicPorts(ports, attachments),
      restart_policy: container.restartPolicy,
      restarts: container.restarts ?? 0,
      running,
      user: container.user,
      workdir: container.directory,
    };
  }
}
