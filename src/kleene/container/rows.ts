import { KleeError } from "../errors.ts";
import type { CreateContainer, Limits, Mountpoint, NetworkDriver, RestartPolicy } from "../model.ts";
import { DEFAULT_DRIVERS, DRIVER_CHOICE, driverNames, drivers, isDriver, PLACES } from "../network/drivers/table.ts";
import type { Row, Statements } from "../store/store.ts";
import { flag, list, StoreConflict, text } from "../store/store.ts";
import { storedLimits } from "./limits.ts";
import { isRestartPolicy } from "./restart-policy.ts";

/** A container as the store has it. */
export interface StoredContainer {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  /** Where its commands start; empty: in their user's home. */
  readonly directory: string;
  readonly jailParam: readonly string[];
  readonly driver: NetworkDriver;
  readonly dataset: string;
  readonly created: string;
  readonly persist: boolean;
  /** It goes with the end of its first run, its files too. */
  readonly removedAtEnd: boolean;
  readonly limits: Limits;
  readonly restartPolicy: RestartPolicy;
  /** How often the last run was restarted in a row; undefined when it is not to be, as one of another command. */
  readonly restarts: number | undefined;
  /** When the last run began, Unix time in milliseconds. */
  readonly started: number;
  /** What the last run's first process is connected to. */
  readonly output: RunOutput;
  /** Execution that started the run under way; undefined when the container is to be stopped. */
  readonly execution: string | undefined;
}

/** A terminal of its own; the log, and an input for those who attach; the log alone; or what its starter said. */
export type RunOutput = (typeof outputs)[number];

const outputs = ["terminal", "log and input", "log", "starter"] as const;

export async function insertContainer(statements: Statements, container: StoredContainer): Promise<void> {
  try {
    await statements.run(
      `INSERT INTO container (id, name, image_id, cmd, env, user, jail_param, network_driver, dataset,
                              created, persist, restart_policy, limits, workdir,
                              removed_at_end, execution)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)`,
      container.id,
      container.name,
      container.imageId,
      JSON.stringify(container.cmd),
      JSON.stringify(container.env),
      container.user,
      JSON.stringify(container.jailParam),
      container.driver,
      container.dataset,
      container.created,
      Number(container.persist),
      container.restartPolicy,
      JSON.stringify(container.limits),
      container.directory,
      Number(container.removedAtEnd),
    );
  } catch (error) {
    throw nameTaken(error, container.name);
  }
}

/** Writes what can be changed of a container, but its name. */
export function setSettings(statements: Statements, container: StoredContainer): Promise<void> {
  return statements.run(
    "UPDATE container SET cmd = ?, env = ?, user = ?, jail_param = ?, persist = ?, restart_policy = ?, limits = ?, workdir = ? WHERE id = ?",
    JSON.stringify(container.cmd),
    JSON.stringify(container.env),
    container.user,
    JSON.stringify(container.jailParam),
    Number(container.persist),
    container.restartPolicy,
    JSON.stringify(container.limits),
    container.directory,
    container.id,
  );
}

/** @throws {KleeError} CONFLICT when another container has it. */
export async function setName(statements: Statements, id: string, name: string): Promise<void> {
  try {
    await statements.run("UPDATE container SET name = ? WHERE id = ?", name, id);
  } catch (error) {
    throw nameTaken(error, name);
  }
}

/** Translates the store's refusal of a name that another container has. */
function nameTaken(error: unknown, name: string): unknown {
  return error instanceof StoreConflict && error.concerns("container.name")
    ? new KleeError("CONFLICT", `container name is already taken: ${name}`, { cause: error })
    : error;
}

/** Notes which execution runs the container, from now on. */
export function beginExecution(
  statements: Statements,
  id: string,
  { execution, restarts, output }: { execution: string; restarts: number | null; output: RunOutput },
): Promise<void> {
  const change = "UPDATE container SET execution = ?, restarts = ?, output = ?, started = ? WHERE id = ?";
  return statements.run(change, execution, restarts, output, Date.now(), id);
}

/** Notes that nothing runs it, and how its command ended; undefined when nobody knows. */
export function endExecution(statements: Statements, id: string, status: number | undefined): Promise<void> {
  return statements.run("UPDATE container SET execution = NULL, exit_code = ? WHERE id = ?", status ?? null, id);
}

/** Does a boot look at how far the container's run had come? It does where the container may start again. */
export const outlivesBoot = ({ restartPolicy }: StoredContainer): boolean => restartPolicy !== "no";

/** @param restarts null: the run under way is not to be restarted. */
export function setRestarts(statements: Statements, id: string, restarts: number | null): Promise<void> {
  return statements.run("UPDATE container SET restarts = ? WHERE id = ?", restarts, id);
}

export async function containerById(statements: Statements, id: string): Promise<StoredContainer | undefined> {
  const row = await statements.get("SELECT * FROM container WHERE id = ?", id);
  return row && storedContainer(row);
}

export function storedContainer(row: Row): StoredContainer {
  const driver = text(row, "network_driver");
  if (!isDriver(driver)) throw new KleeError("HOST", `the store is damaged: network driver ${driver}`);
  const restartPolicy = text(row, "restart_policy");
  if (!isRestartPolicy(restartPolicy))
    throw new KleeError("HOST", `the store is damaged: restart policy ${restartPolicy}`);
  const output = text(row, "output");
  if (!isOutput(output)) throw new KleeError("HOST", `the store is damaged: output ${output}`);
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    imageId: text(row, "image_id"),
    cmd: list(row, "cmd"),
    env: list(row, "env"),
    user: text(row, "user"),
    directory: text(row, "workdir"),
    jailParam: list(row, "jail_param"),
    driver,
    dataset: text(row, "dataset"),
    created: text(row, "created"),
    persist: flag(row, "persist"),
    removedAtEnd: flag(row, "removed_at_end"),
    limits: storedLimits(row),
    restartPolicy,
    restarts: typeof row.restarts === "number" ? row.restarts : undefined,
    started: Number(row.started),
    output,
    execution: typeof row.execution === "string" ? row.execution : undefined,
  };
}

const isOutput = (output: string): output is RunOutput => outputs.some((one) => one === output);

/** A request that names a place instead of a network, as one that names the driver. */
export function withDriver(request: CreateContainer): CreateContainer {
  const { network, driver } = request;
  const place = network !== undefined && Object.hasOwn(PLACES, network) ? PLACES[network] : undefined;
  if (place === undefined || (driver !== undefined && driver !== place)) return request;
  return { ...request, network: undefined, driver: place };
}

/** The driver that a request asks for, or the default for whether it names a network. */
export function driverOf(request: CreateContainer): NetworkDriver {
  const driver = request.driver ?? DEFAULT_DRIVERS[request.network === undefined ? "withoutNetwork" : "withNetwork"];
  if (driver === "vnet")
    throw new KleeError("UNSUPPORTED", `the 'vnet' network driver is not available; use ${DRIVER_CHOICE}`);
  if (!isDriver(driver))
    throw new KleeError(
      "INVALID",
      `unknown network driver ${JSON.stringify(driver)}; available: ${driverNames.join(", ")}`,
    );
  const { connects } = drivers[driver];
  if (request.network !== undefined && !connects)
    throw new KleeError("INVALID", `containers with the '${driver}' network-driver cannot connect to networks`);
  if (!connects && (request.publish ?? []).length > 0)
    throw new KleeError("INVALID", `cannot publish ports of a container using the '${driver}' network driver`);
  if (request.network === undefined && (request.ip !== undefined || request.ip6 !== undefined))
    throw new KleeError("INVALID", "an address needs a network: give -n NETWORK with --ip or --ip6");
  return driver;
}

/** By destination: a mount on /mnt comes before one on /mnt/below, which it would hide. */
export async function mountpointsOf(statements: Statements, containerId: string): Promise<Mountpoint[]> {
  const rows = await statements.all(
    "SELECT * FROM mountpoint WHERE container_id = ? ORDER BY destination",
    containerId,
  );
  return rows.map(mountpointOf);
}

export function mountpointOf(row: Row): Mountpoint {
  return {
    container_id: text(row, "container_id"),
    destination: text(row, "destination"),
    read_only: flag(row, "read_only"),
    source: text(row, "source"),
    type: row.volume === null ? "nullfs" : "volume",
  };
}
