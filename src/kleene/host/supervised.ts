import type { Supervised, SupervisorSpec } from "../../ffi/native.ts";
import { launch, relayTerminal, SupervisorError, setWindowSize } from "../../ffi/native.ts";
import { during } from "../../timeline.ts";
import { KleeError } from "../errors.ts";
import type { CommandSpec, HostTerminal, JailProcess, JailProcessExit } from "./host.ts";

/** Exit status of a command that a signal ended, as sh(1) gives it: this plus the signal's number. */
const SIGNALLED = 128;

/**
 * Starts a supervisor with a command of a container.
 *
 * @param heldFds descriptors that it keeps open.
 * @throws {KleeError} for a command that cannot be started; {SupervisorError} for what failed before it.
 */
export async function startSupervised(
  spec: SupervisorSpec,
  command: CommandSpec,
  heldFds: readonly number[],
): Promise<JailProcess> {
  const { stdin, stdout, stderr } = command.stdio;
  try {
    return new SupervisedProcess(await during("supervisor", () => launch({ spec, stdin, stdout, stderr, heldFds })));
  } catch (error) {
    throw commandFailure(command, error);
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

class SupervisedProcess implements JailProcess {
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
