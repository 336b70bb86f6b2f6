/**
 * Starts containers and processes in them: namespaces of mounts, processes, names and IPC, an overlay for a root, a cgroup,
 * seccomp(2) and capabilities(7). The network is the host's: what a container may do there is for programs that are attached to
 * its cgroup, `bpf.attachProgram`. The process of Node itself never forks: it starts a program of its own, `klee-supervisor`,
 * which does, waits for the processes, and copies their streams.
 *
 * @example
 * ```ts
 * using first = await launch.startContainer(container, { argv: ["/bin/sh", "-c", "id"], stdout: 1 });
 * console.log((await first.exited).code);
 * await launch.endContainer(container.cgroup);
 * ```
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type LaunchOptions,
  type LinuxJail,
  launch,
  SupervisorError,
  type SupervisorRun,
  waitCgroupEmpty,
} from "../native.ts";
import { errnoTable } from "./abi/errno.ts";
import { cgroupId, cgroupRoot, killCgroup, makeCgroup, removeCgroup } from "./cgroup.ts";
import { syscallError } from "./libc.ts";

export { SupervisorError } from "../native.ts";

/** What makes a container. All paths are absolute. */
export interface Container {
  /** Directory of cgroup2 that is made for it, in one that is there. Its processes are in `payload` below. */
  readonly cgroup: string;
  /** Directory for its lock, its first process's pid and status (`run`), and what that writes and nobody copies (`log`). */
  readonly state: string;
  /** Layers of an overlay, the topmost of `lower` first, and an empty directory that it is mounted on. */
  readonly root: {
    readonly lower: readonly string[];
    readonly upper: string;
    readonly work: string;
    readonly mountpoint: string;
  };
  /** sethostname(2) */
  readonly hostname: string;
  /** Is there to be a /dev? Not unless told. */
  readonly dev?: boolean;
  /** Directories and files of the host's that are bound to places in it. */
  readonly mounts?: readonly { readonly source: string; readonly destination: string; readonly readOnly?: boolean }[];
}

/** What is to run in a container. */
export interface ContainerCommand {
  /** The program, looked for in PATH within the container unless it has a slash, and its arguments. */
  readonly argv: readonly string[];
  /** `KEY=VALUE`; HOME, SHELL and USER are added from the container's passwd file when absent. */
  readonly env?: readonly string[];
  /** Name or number, `:group` optional, of the container's own passwd and group files; root unless told. */
  readonly user?: string;
  /** Where it starts; the user's home unless told. */
  readonly directory?: string;
  /** Descriptors of this process that the started one's streams are copied from and to; unless told it has /dev/null. */
  readonly stdin?: number;
  readonly stdout?: number;
  readonly stderr?: number;
}

/** How a process ended: by exit code or by signal, the other is undefined. */
export interface ContainerProcessExit {
  readonly code: number | undefined;
  readonly signal: number | undefined;
  /** No process is left in the container. */
  readonly containerEmpty: boolean;
}

/** A process in a container. Disposing of it lets go of it: its supervisor, told that nobody listens, lets it run on. */
export interface ContainedProcess extends Disposable {
  /** On the host. */
  readonly pid: number;
  /** Settles once it has ended and all that it wrote is copied. Keeps Node alive until then. */
  readonly exited: Promise<ContainerProcessExit>;
  /** Sends it a signal, kill(2). Nothing happens when it has ended. */
  signal(number: number): void;
}

/** How long the kernel may take to end the processes of a container, in milliseconds. */
const KILL_TIMEOUT_MS = 10_000;
const PARTS = ["init", "payload"];

/**
 * Makes a container and starts its first process: clone3(2), mount(2), pivot_root(2), execve(2). Resolves when that has
 * executed its program. Its cgroup is there until {@link endContainer}, also when the start fails.
 *
 * @throws {SupervisorError} the step that failed, `mount overlay` or `execve` say, with its errno.
 * @throws {SyscallError} EEXIST when the cgroup is there already.
 */
export async function startContainer(container: Container, command: ContainerCommand): Promise<ContainedProcess> {
  const { cgroup, state, root, hostname, dev = false, mounts = [] } = container;
  if (!makeCgroup(cgroup)) throw syscallError("mkdir", cgroup, EEXIST);
  for (const part of PARTS) makeCgroup(join(cgroup, part));
  const lock = join(state, "lock");
  writeFileSync(lock, "", { mode: 0o600 });
  const jail = {
    root,
    hostname,
    devfs: dev,
    mounts: mounts.map(({ source, destination, readOnly = false }) => ({ source, destination, read_only: readOnly })),
  };
  const run = {
    persist: false,
    lock,
    record: join(state, "run"),
    log: join(state, "log"),
    console: null,
    teardown: [],
  };
  return await start(cgroup, command, run, jail);
}

/**
 * Starts one more process in a container whose first one has started.
 *
 * @param cgroup the container's.
 * @throws {SupervisorError} the step that failed, with its errno; ENOENT when there is no such container.
 */
export async function startInContainer(cgroup: string, command: ContainerCommand): Promise<ContainedProcess> {
  return await start(cgroup, command, null, null);
}

/**
 * Kills all processes of a container, waits for their end, and removes its cgroup; its mounts have gone with them. Nothing
 * happens when it has gone already.
 *
 * @throws {SyscallError} ETIMEDOUT when the kernel does not end them within ten seconds.
 */
export async function endContainer(cgroup: string): Promise<void> {
  if (cgroupId(cgroup) === undefined) return;
  killCgroup(cgroup);
  if (!(await waitCgroupEmpty(cgroup, KILL_TIMEOUT_MS))) throw syscallError("poll(cgroup.events)", cgroup, ETIMEDOUT);
  for (const part of [...PARTS, ""]) removeCgroup(join(cgroup, part));
}

const EEXIST = 17;
const ETIMEDOUT = 110;

async function start(
  cgroup: string,
  command: ContainerCommand,
  run: SupervisorRun | null,
  jail: LinuxJail["jail"],
): Promise<ContainedProcess> {
  const { argv, env = [], user = "root", directory = null, stdin, stdout, stderr } = command;
  const id = cgroupId(cgroup);
  const root = cgroupRoot();
  const refuse = (detail: string) =>
    new SupervisorError({ step: "execve", object: cgroup, errno: 0, detail }, errnoTable);
  if (argv.length === 0) throw refuse("no program");
  if (root === undefined) throw refuse("cgroup2 is not mounted");
  const confinement = { cgroup_root: root, cgroup, groups: [], raw_sockets: false, network: "host", jail } as const;
  const streams = { stdin: stdin ?? "null", stdout: stdout ?? "null", stderr: stderr ?? "null" } as const;
  const options: LaunchOptions = {
    ...streams,
    spec: {
      mode: run === null ? "exec" : "run",
      container: `cgroup-${id}`,
      run,
      process: { argv, directory, env, user, terminal: null, shown: [stdout !== undefined, stderr !== undefined] },
      linux: { ...confinement, ...(run === null && id !== undefined && { cgroup_id: String(id) }) },
    },
  };
  const started = await launch(options);
  const exited = Promise.all([started.exited, started.copied]).then(([{ code, signal, jailEmpty }]) => ({
    code,
    signal,
    containerEmpty: jailEmpty,
  }));
  // Whoever lets go of it never asks.
  exited.catch(() => {});
  return {
    pid: started.pid,
    exited,
    signal: (number) => started.signal(number),
    [Symbol.dispose]: () => started.close(),
  };
}
