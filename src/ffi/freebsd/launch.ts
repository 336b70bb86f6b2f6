/**
 * Starts processes in jails. The process of Node itself never forks and never enters a jail: it starts a program of its own,
 * `klee-supervisor`, which does, waits for the process, and copies its streams.
 */
import { launch, SupervisorError } from "../native.ts";
import { errnoTable } from "./abi/errno.ts";

export { SupervisorError } from "../native.ts";

/** What is to run in a jail. */
export interface JailCommand {
  /** The program, looked for in PATH within the jail unless it has a slash, and its arguments. */
  readonly argv: readonly string[];
  /** `KEY=VALUE`; HOME, SHELL and USER are added from the jail's passwd file when absent. */
  readonly env?: readonly string[];
  /** Working directory within the jail; the user's home unless told. */
  readonly directory?: string;
  /** Name or number, `:group` optional, of the jail's own passwd and group files; root unless told. */
  readonly user?: string;
  /** Descriptors of this process that the started one's streams are copied from and to; unless told it has /dev/null. */
  readonly stdin?: number;
  readonly stdout?: number;
  readonly stderr?: number;
}

/** How a process ended: by exit code or by signal, the other is undefined. */
export interface JailProcessExit {
  readonly code: number | undefined;
  readonly signal: number | undefined;
  /** The jail has ended with it. */
  readonly jailGone: boolean;
}

/** A process in a jail. Disposing of it lets go of it: its supervisor, told that nobody listens, lets it run on. */
export interface JailedProcess extends Disposable {
  /** On the host. */
  readonly pid: number;
  /** Settles once it has ended and all that it wrote is copied. Keeps Node alive until then. */
  readonly exited: Promise<JailProcessExit>;
  /** Sends it a signal, kill(2). Nothing happens when it has ended. */
  signal(number: number): void;
}

/**
 * Starts a process in a jail: fork(2), jail_attach(2), setusercontext(3), execve(2). Resolves when it has executed its program.
 *
 * @param jid of a jail that exists.
 * @throws {SupervisorError} the call that failed, `jail_attach` or `execve` say, with its errno.
 */
export async function startInJail(jid: number, command: JailCommand): Promise<JailedProcess> {
  const { argv, env = [], directory = null, user = "root", stdin, stdout, stderr } = command;
  if (argv.length === 0)
    throw new SupervisorError({ step: "execve", object: "", errno: 0, detail: "no program" }, errnoTable);
  const started = await launch({
    spec: {
      mode: "exec",
      container: `jail-${jid}`,
      run: null,
      process: {
        argv,
        directory,
        env,
        user,
        terminal: null,
        shown: [stdout !== undefined, stderr !== undefined],
      },
      freebsd: { jid, library: process.env.KLEE_LIBC ?? null },
    },
    stdin: stdin ?? "null",
    stdout: stdout ?? "null",
    stderr: stderr ?? "null",
  });
  const exited = Promise.all([started.exited, started.copied]).then(([{ code, signal, jailEmpty }]) => ({
    code,
    signal,
    jailGone: jailEmpty,
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
