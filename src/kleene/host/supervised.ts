import type {
  Console,
  LaunchOptions,
  Supervised,
  SupervisorProcess,
  SupervisorRun,
  SupervisorSpec,
} from "../../ffi/native.ts";
import {
  closeConsole,
  connectConsole,
  launch,
  relayConsole,
  SupervisorError,
  setWindowSize,
} from "../../ffi/native.ts";
import { KleeError } from "../errors.ts";
import { step } from "../steps.ts";
import type {
  CommandSpec,
  HostConsole,
  HostTerminal,
  JailProcess,
  JailProcessExit,
  JailSpec,
  Uncopied,
} from "./host.ts";

/** Exit status of a command that a signal ended, as sh(1) gives it: this plus the signal's number. */
const SIGNALLED = 128;

/**
 * Starts a supervisor with a command of a container.
 *
 * @param options heldFds: descriptors that it keeps open; withinMs: how long the start may take.
 * @throws {KleeError} for a command that cannot be started; {SupervisorError} for what failed before it.
 */
export async function startSupervised(
  spec: SupervisorSpec,
  command: CommandSpec,
  options: Pick<LaunchOptions, "heldFds" | "withinMs">,
): Promise<JailProcess> {
  const { stdin, stdout, stderr } = command.stdio;
  try {
    return new SupervisedProcess(await step("supervisor", () => launch({ spec, stdin, stdout, stderr, ...options })));
  } catch (error) {
    throw commandFailure(command, error);
  }
}

/** A command that cannot be started is the user's affair, anything before it klee's. */
function commandFailure(command: CommandSpec, error: unknown): unknown {
  if (!(error instanceof SupervisorError)) return error;
  if (error.step === "user")
    return new KleeError("INVALID", `no such user in the container: ${command.user}`, { cause: error });
  if (error.step === "chdir" && command.directory !== "")
    return new KleeError("INVALID", `cannot start in ${command.directory} of the container: ${error.code}`, {
      cause: error,
    });
  if (error.step !== "execve") return error;
  const [name = ""] = command.argv;
  return error.code === "ENOENT"
    ? new KleeError("COMMAND_NOT_FOUND", `command not found in the container: ${name}`, { cause: error })
    : new KleeError("COMMAND_NOT_EXECUTABLE", `cannot execute ${name} in the container: execve: ${error.code}`, {
        cause: error,
      });
}

class SupervisedProcess implements JailProcess {
  readonly pid: number;
  readonly terminal: HostTerminal | undefined;
  readonly exited: Promise<JailProcessExit>;
  readonly copied: Promise<readonly Uncopied[]>;
  readonly #supervised: Supervised;

  constructor(supervised: Supervised) {
    this.#supervised = supervised;
    this.pid = supervised.pid;
    this.terminal = supervised.console && terminalOf(supervised.console);
    this.copied = supervised.copied.then((failed) => failed.map(({ stream, error }) => ({ stream, code: error.code })));
    this.exited = supervised.exited.then(({ code, signal, jailEmpty }) => ({
      status: code ?? SIGNALLED + (signal ?? 0),
      jailEmpty,
    }));
  }

  signal(number: number): void {
    this.#supervised.signal(number);
  }

  takenDown(): void {
    this.#supervised.takenDown();
  }

  detach(): void {
    this.#supervised.detached();
    this.#supervised.close();
  }

  release(): void {
    this.#supervised.close();
  }
}

/** What the supervisor is told of a command. */
export function supervisorProcess({ argv, directory, env, user, stdio }: CommandSpec): SupervisorProcess {
  const { terminal = null, stdout, stderr } = stdio;
  return {
    argv,
    directory: directory === "" ? null : directory,
    env,
    user,
    terminal,
    shown: [stdout !== "null", stderr !== "null"],
  };
}

/** What the supervisor is told of a container's run. */
export function supervisorRun(spec: JailSpec): SupervisorRun {
  return {
    persist: spec.parameters.persist,
    lock: spec.lockPath,
    record: spec.recordPath,
    log: spec.logPath,
    console: spec.console ?? null,
    teardown: spec.teardown,
  };
}

/**
 * Attaches to a console.
 * @throws {SyscallError}
 */
export function openConsole(path: string): HostConsole {
  const console = connectConsole(path);
  return {
    terminal: console.master === undefined ? undefined : terminalOf(console),
    type: async (stdin) => {
      await relayConsole(console, stdin, "null", Buffer.alloc(0));
    },
    close: () => closeConsole(console),
  };
}

function terminalOf(console: Console): HostTerminal {
  const { master } = console;
  return {
    relay: (stdin, stdout, detachKeys) => relayConsole(console, stdin, stdout, detachKeys),
    resize: ({ rows, columns }) => {
      if (master !== undefined) setWindowSize(master, rows, columns);
    },
  };
}
