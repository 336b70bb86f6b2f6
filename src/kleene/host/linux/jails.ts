import type { LaunchOptions, Supervised, SupervisorSpec } from "../../../ffi/native.ts";
import { launch, relayTerminal, SupervisorError, setWindowSize, waitCgroupEmpty } from "../../../ffi/native.ts";
import { during } from "../../../timeline.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import type {
  CommandSpec,
  HostTerminal,
  JailParameters,
  JailProcess,
  JailProcessExit,
  JailSpec,
  Jails,
} from "../host.ts";
import type { Confinement } from "./confinement/confinement.ts";
import { parseParameters } from "./parameters.ts";

/** Exit status of a command that a signal ended, as sh(1) gives it: this plus the signal's number. */
const SIGNALLED = 128;

/** Jails on Linux: a cgroup with klee's BPF programs for the network, namespaces and an overlay for the rest. */
export class LinuxJails implements Jails {
  readonly #confinement: Confinement;

  constructor(confinement: Confinement) {
    this.#confinement = confinement;
  }

  parseParameters(parameters: readonly string[], defaultHostname: string): JailParameters {
    return parseParameters(parameters, defaultHostname);
  }

  async start(spec: JailSpec, first: CommandSpec): Promise<JailProcess> {
    const { id, parameters } = spec;
    const { ipv4, ipv6 } = spec.addresses;
    // Outside the undoing below: what fails here because the container runs must not end it.
    try {
      this.#confinement.create(id, { driver: spec.driver, ipv4, ipv6, rawSockets: parameters.rawSockets });
    } catch (error) {
      throw hostFailure(`cannot start container ${id}`, error);
    }
    try {
      const heldFds = spec.driver === "ipnet" ? this.#confinement.holdFds() : [];
      const run: SupervisorSpec["run"] = {
        root: spec.root,
        hostname: parameters.hostname,
        devfs: parameters.mountDevfs,
        persist: parameters.persist,
        mounts: spec.mounts.map(({ source, destination, read_only }) => ({ source, destination, read_only })),
        lock: spec.lockPath,
        log: spec.logPath ?? null,
        teardown: spec.teardown,
      };
      return await this.#launch(id, "run", run, first, heldFds);
    } catch (error) {
      await this.#confinement.remove(id);
      throw hostFailure(`cannot start container ${id}`, error);
    }
  }

  async exec(id: string, command: CommandSpec): Promise<JailProcess> {
    try {
      return await this.#launch(id, "exec", null, command, []);
    } catch (error) {
      // It may have ended between the caller's look and this one.
      if (!(error instanceof KleeError) && !this.running().has(id))
        throw new KleeError("NOT_FOUND", `container ${id} has ended`, { cause: error });
      throw hostFailure(`cannot run a command in container ${id}`, error);
    }
  }

  running(): Map<string, number> {
    const running = new Map<string, number>();
    for (const { id, initPid } of this.#confinement.list()) running.set(id, initPid);
    return running;
  }

  exists(id: string): boolean {
    return this.#confinement.exists(id);
  }

  async changeAddresses({ id, driver, addresses, parameters }: Parameters<Jails["changeAddresses"]>[0]): Promise<void> {
    try {
      this.#confinement.update(id, { driver, ...addresses, rawSockets: parameters.rawSockets });
    } catch (error) {
      throw hostFailure(`cannot change the addresses of container ${id}`, error);
    }
  }

  signalAll(id: string, signal: number): void {
    for (const pid of this.#confinement.processes(id)) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // It ended by itself since the list was read.
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    }
  }

  waitEmpty(id: string, timeoutMs: number): Promise<boolean> {
    return waitCgroupEmpty(this.#confinement.payloadPath(id), timeoutMs);
  }

  async remove(id: string): Promise<void> {
    try {
      await this.#confinement.remove(id);
    } catch (error) {
      throw hostFailure(`cannot remove the jail of container ${id}`, error);
    }
  }

  async #launch(
    id: string,
    mode: SupervisorSpec["mode"],
    run: SupervisorSpec["run"],
    command: CommandSpec,
    heldFds: readonly number[],
  ): Promise<JailProcess> {
    const { stdio } = command;
    const options: LaunchOptions = {
      spec: {
        mode,
        container: id,
        cgroup_root: this.#confinement.cgroupRoot,
        cgroup: this.#confinement.pathOf(id),
        run,
        process: {
          argv: command.argv,
          env: command.env,
          user: command.user,
          raw_sockets: command.rawSockets,
          network: command.driver,
          terminal: stdio.terminal ?? null,
        },
      },
      stdin: stdio.stdin,
      stdout: stdio.stdout,
      stderr: stdio.stderr,
      heldFds,
    };
    try {
      return new LinuxProcess(await during("supervisor", () => launch(options)));
    } catch (error) {
      throw commandFailure(command, error);
    }
  }
}

/** A command that cannot be started is the user's affair, anything before it klee's. */
function commandFailure(command: CommandSpec, error: unknown): unknown {
  if (!(error instanceof SupervisorError)) return error;
  if (error.step === "user")
    return new KleeError("INVALID", `no such user in the container: ${command.user}`, { cause: error });
  if (error.step !== "execve") return error;
  const [name = ""] = command.argv;
  return error.code === "ENOENT"
    ? new KleeError("COMMAND_NOT_FOUND", `command not found in the container: ${name}`, { cause: error })
    : new KleeError("COMMAND_NOT_EXECUTABLE", `cannot execute ${name} in the container: execve: ${error.code}`, {
        cause: error,
      });
}

class LinuxProcess implements JailProcess {
  readonly pid: number;
  readonly terminal: HostTerminal | undefined;
  readonly exited: Promise<JailProcessExit>;
  readonly #supervised: Supervised;

  constructor(supervised: Supervised) {
    this.#supervised = supervised;
    this.pid = supervised.pid;
    const { master } = supervised;
    this.terminal = master === undefined ? undefined : terminalOf(master, supervised);
    this.exited = supervised.exited.then(({ code, signal, jailEmpty }) => ({
      status: code ?? SIGNALLED + (signal ?? 0),
      jailEmpty,
    }));
  }

  signal(number: number): void {
    this.#supervised.signal(number);
  }

  release(): void {
    this.#supervised.close();
  }
}

function terminalOf(master: number, { exited }: Supervised): HostTerminal {
  return {
    relay: (stdin, stdout) => relayTerminal(master, stdin, stdout, exited),
    resize: ({ rows, columns }) => setWindowSize(master, rows, columns),
  };
}
