import { closeSync, fstatSync } from "node:fs";
import { loadAddon, nativeProgram } from "./addon.ts";
import { type ErrnoTable, SyscallError } from "./errno.ts";
import type { OwnedFd } from "./fd.ts";
import { errnoTable as freebsdErrors } from "./freebsd/abi/errno.ts";
import { lazy } from "./library.ts";
import { errnoTable as linuxErrors } from "./linux/abi/errno.ts";
import { traceCall, traceStart } from "./trace.ts";

/** First message to the supervisor; `native/src/spec.rs` has the same shape. Of the two hosts' parts it takes its own. */
export interface SupervisorSpec {
  readonly mode: "run" | "exec";
  readonly container: string;
  /** Mode `run` only: the life of the container. */
  readonly run: SupervisorRun | null;
  readonly process: SupervisorProcess;
  readonly linux?: LinuxJail;
  readonly freebsd?: FreebsdJail;
}

export interface SupervisorRun {
  /** Does the container stay when its last process has ended? */
  readonly persist: boolean;
  /** File that is locked while the supervisor looks whether the container is still there. It must exist. */
  readonly lock: string;
  /**
   * File that is locked while the first process runs and holds its pid, and a line more, its exit status (128 + the
   * signal's number when one ended it), once it has ended. Its directory must exist.
   */
  readonly record: string;
  /**
   * File that takes what the first process writes and the client does not copy, from when there is some: its directory must
   * exist. What was written before is in `FILE.old`; each holds 5 MiB at most. native/src/common/log.rs
   */
  readonly log: string;
  /** Where others can attach to the first process; null: nowhere. */
  readonly console: SupervisorConsole | null;
  /** Command executed by the supervisor at the end, if nobody else took the container down: absolute path first. */
  readonly teardown: readonly string[];
}

/**
 * A console: of a process's terminal; or, when it has none, of its standard input, a pipe that stays open. What the
 * terminal shows while its starter is not attached goes to the run's log.
 */
export interface SupervisorConsole {
  /** Path of the socket to make. Its directory must exist. */
  readonly socket: string;
  /** Does the client that starts the process attach at once? */
  readonly starter: boolean;
}

export interface SupervisorProcess {
  readonly argv: readonly string[];
  /** Where it starts; null: the user's home, or the root where that is not there. */
  readonly directory: string | null;
  /** `KEY=VALUE`; HOME, SHELL and USER are added from the container's passwd file when absent. */
  readonly env: readonly string[];
  /** Name or number, `:group` optional. */
  readonly user: string;
  /** Set: the process gets a pseudo terminal of this size in place of the pipes, and the supervisor its master. */
  readonly terminal: { readonly rows: number; readonly columns: number } | null;
  /** Does the client copy its standard output, and its error? What it does not copy is the log's, or lost. */
  readonly shown: readonly [stdout: boolean, stderr: boolean];
}

/** What makes a jail of a Linux process. */
export interface LinuxJail {
  /** Mount point of cgroup2; the supervisor moves itself to its root. */
  readonly cgroup_root: string;
  /** Directory in which `init` and `payload` exist. */
  readonly cgroup: string;
  /**
   * Mode `exec`: inode number of that directory, of a run whose first process has started. Another one of the same name
   * is refused: it is a later run, and may be half made.
   */
  readonly cgroup_id?: string | undefined;
  /** Directories of version 1 hierarchies that each process but pid 1 belongs to as well. */
  readonly groups: readonly string[];
  readonly raw_sockets: boolean;
  readonly network: "addresses" | "host" | "none";
  /** Mode `run` only: what makes the container. */
  readonly jail: {
    /** Layers of an overlay, the topmost of `lower` first; `upper` may lie inside a lower one. */
    readonly root: {
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      readonly mountpoint: string;
    };
    readonly hostname: string;
    /** Mount /dev? */
    readonly devfs: boolean;
    readonly mounts: readonly { readonly source: string; readonly destination: string; readonly read_only: boolean }[];
  } | null;
}

/** The jail of a FreeBSD process, made already. */
export interface FreebsdJail {
  readonly jid: number;
  /** The C library that FreeBSD's functions are called in; null: the system's own. */
  readonly library: string | null;
}

export interface LaunchOptions {
  readonly spec: SupervisorSpec;
  /**
   * Descriptors of this process that the started one's own streams, which are pipes, are copied from and to. Without a
   * stdin it has /dev/null. Of no use with a terminal.
   */
  readonly stdin: number | "null";
  readonly stdout: number | "null";
  readonly stderr: number | "null";
  /** Descriptors that the supervisor keeps open for as long as it lives. */
  readonly heldFds?: readonly number[] | undefined;
  /** How long the start may take, in milliseconds: others in a container can stop who is about to join them. */
  readonly withinMs?: number | undefined;
}

/** How a process ended: by exit code or by signal, the other is undefined. */
export interface SupervisedExit {
  readonly code: number | undefined;
  readonly signal: number | undefined;
  /** No process is left in the container. In mode `run`: and the container is not persistent, it ends now. */
  readonly jailEmpty: boolean;
}

/** A connection to a process's console. */
export interface Console {
  /** What the terminal shows, and what is typed. */
  readonly stream: number;
  /** Master side of the terminal, to set its size; undefined when the process has none. */
  readonly master: number | undefined;
}

/** A stream that could not be copied to the end: the process was told that nobody reads it any more. */
export interface Uncopied {
  readonly stream: "stdout" | "stderr";
  /** Of write(2); a closed pipe and a terminal that has hung up are no failures. */
  readonly error: SyscallError;
}

/** A started process and the supervisor that waits for it. */
export interface Supervised {
  /** Pid on the host. */
  readonly pid: number;
  /** The process's console, when it has one that its starter attaches to; closed by `close()`. */
  readonly console: Console | undefined;
  /**
   * Settles at the end of the process, and keeps Node alive until then or until `close()`, after which it never settles.
   * Rejects with SupervisorError when the supervisor itself is killed.
   */
  readonly exited: Promise<SupervisedExit>;
  /**
   * Settles after `exited`, once all that the process wrote is copied. What it leaves behind may write on: to the log.
   * Never rejects.
   */
  readonly copied: Promise<readonly Uncopied[]>;
  /** Sends a signal to the process. Nothing happens when it has ended. */
  signal(number: number): void;
  /** Tells the supervisor that the container has been taken down after its end: it need not do it. */
  takenDown(): void;
  /** Tells the supervisor that the process is to go on although nobody will be at its terminal. */
  detached(): void;
  /**
   * Ends the connection: this process is done with the other, which goes on. A supervisor whose container has ended
   * waits for this, and takes the container down unless it was told that it need not. Repeating is no error.
   */
  close(): void;
}

/**
 * The supervisor could not start what was asked. `step` names the call and its purpose, `mount overlay`. Where no kernel
 * call failed, `errno` is 0 and `detail` says what is wrong.
 */
export class SupervisorError extends SyscallError {
  readonly step: string;
  readonly detail: string | undefined;

  /** @param table the errors of the system that the supervisor runs on. */
  constructor(
    failure: { step: string; object: string; errno: number; detail?: string | undefined },
    table: ErrnoTable,
  ) {
    const { step, object, errno, detail } = failure;
    super({ call: step, object, errno, table, kernelText: detail });
    if (errno === 0) this.message = `${[step, object].filter((word) => word !== "").join(" ")}: ${detail}`;
    this.step = step;
    this.detail = detail;
  }
}

type Message =
  | { readonly event: "started"; readonly pid: number }
  | {
      readonly event: "failed";
      readonly step: string;
      /** Absent when the supervisor's program itself could not be started. */
      readonly object?: string;
      readonly errno: number;
      readonly detail?: string;
    }
  | {
      readonly event: "exited";
      readonly code: number | null;
      readonly signal: number | null;
      readonly jail_empty: boolean;
    }
  | {
      readonly event: "copied";
      /** Stream, 1 or 2, and errno. */
      readonly failed: readonly (readonly [stream: number, errno: number])[];
    };

/** What `native/src/addon` exports. */
interface Addon {
  startSupervisor(
    path: string,
    container: string,
    spec: string,
    stdio: number[],
    held: number[],
    listener: (message: string | null, fd: number | null) => void,
  ): { send(message: string): void; close(): void };
  startDetached(path: string, arguments_: string[]): number;
  startRelay(
    stream: number,
    master: number,
    stdin: number,
    stdout: number,
    detachKeys: Buffer,
    done: (errno: number, detached: boolean) => void,
  ): void;
  connectConsole(path: string): { errno: number; stream: number; master: number };
  openConsole(stream: number): { errno: number; stream: number; master: number };
  setWindowSize(fd: number, rows: number, columns: number): number;
  waitCgroupEmpty(path: string, timeoutMs: number, done: (errno: number, empty: boolean) => void): void;
  waitReadable(fd: number, timeoutMs: number, done: (errno: number, readable: boolean) => void): void;
}

/** In place of a descriptor, for the addon: nothing to copy; and an output for which a null device will do. */
const NONE = -1;
const DROPPED = -2;
/** Major 1, minor 3: Documentation/admin-guide/devices.txt of Linux. */
const NULL_DEVICE = 0x103;

function isNullDevice(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isCharacterDevice() && stats.rdev === NULL_DEVICE;
}

/** Calls that the addon makes itself are this system's. */
const ownErrors = process.platform === "freebsd" ? freebsdErrors : linuxErrors;

const addon = lazy((): Addon => {
  const startedAt = traceStart();
  const loaded = loadAddon("klee.node");
  traceCall("dlopen", "klee.node", 0, startedAt);
  return loaded as Addon;
});
const supervisorPath = lazy(() => nativeProgram("klee-supervisor"));

/**
 * Starts a container with its first process, or a process in a running container. Resolves when the process has
 * executed its program. posix_spawn(3)
 *
 * @throws {SupervisorError} the step that failed; all of it has been undone by then, but for what was there before.
 * @throws {LibraryError} when there is no native part for this system.
 */
export function launch(options: LaunchOptions): Promise<Supervised> {
  const { spec, heldFds = [], withinMs } = options;
  const path = supervisorPath();
  // A jail need not have a null device.
  const drops = (fd: number): boolean => spec.linux !== undefined && isNullDevice(fd);
  const output = (fd: number | "null"): number => (fd === "null" ? NONE : drops(fd) ? DROPPED : fd);
  const streams = [options.stdin === "null" ? NONE : options.stdin, output(options.stdout), output(options.stderr)];
  const stdio = spec.process.terminal === null ? streams : [];
  const table = spec.freebsd === undefined ? linuxErrors : freebsdErrors;
  const startedAt = traceStart();
  return new Promise((resolve, reject) => {
    let settleExit: ((exit: SupervisedExit) => void) | undefined;
    let failExit: ((error: Error) => void) | undefined;
    let settleCopied: (failed: readonly Uncopied[]) => void;
    const copied = new Promise<readonly Uncopied[]>((settle) => {
      settleCopied = settle;
    });
    let closed = false;
    let timer: NodeJS.Timeout | undefined;
    let late = false;
    const supervisor = addon().startSupervisor(path, spec.container, JSON.stringify(spec), stdio, [...heldFds], listen);
    traceCall("posix_spawn", `klee-supervisor ${spec.container}`, 0, startedAt);
    // Without its client the supervisor gives the start up.
    if (withinMs !== undefined)
      timer = setTimeout(() => {
        late = true;
        supervisor.close();
      }, withinMs);

    function supervised(pid: number, console: Console | undefined): Supervised {
      const exited = new Promise<SupervisedExit>((settle, fail) => {
        settleExit = settle;
        failExit = fail;
      });
      // Whoever detaches never asks for the exit.
      exited.catch(() => {});
      return {
        pid,
        console,
        exited,
        copied,
        signal: (number) => supervisor.send(JSON.stringify({ command: "signal", number })),
        takenDown: () => supervisor.send(JSON.stringify({ command: "taken-down" })),
        detached: () => supervisor.send(JSON.stringify({ command: "detached" })),
        close: () => {
          if (closed) return;
          closed = true;
          supervisor.close();
          if (console !== undefined) closeConsole(console);
        },
      };
    }

    function listen(text: string | null, fd: number | null): void {
      clearTimeout(timer);
      const message = text === null ? undefined : (JSON.parse(text) as Message);
      switch (message?.event) {
        case "started":
          try {
            resolve(supervised(message.pid, fd === null ? undefined : consoleOf("greeting", addon().openConsole(fd))));
          } catch (error) {
            reject(error);
          }
          break;
        case "exited":
          settleExit?.({
            code: message.code ?? undefined,
            signal: message.signal ?? undefined,
            jailEmpty: message.jail_empty,
          });
          break;
        case "copied":
          settleCopied(message.failed.map(uncopied));
          break;
        case "failed":
          reject(
            message.object === undefined
              ? // The addon's own failure.
                new SupervisorError({ ...message, object: path }, ownErrors)
              : new SupervisorError({ ...message, object: message.object }, table),
          );
          break;
        default: {
          const object = spec.container;
          const detail = late ? `no start within ${withinMs} ms` : "ended unexpectedly";
          const error = new SupervisorError({ step: "supervisor", object, errno: 0, detail }, table);
          reject(error);
          settleCopied([]);
          if (!closed) failExit?.(error);
        }
      }
    }
  });
}

function uncopied([stream, errno]: readonly [stream: number, errno: number]): Uncopied {
  const name = stream === 1 ? "stdout" : "stderr";
  return { stream: name, error: new SyscallError({ call: "write", object: name, errno, table: ownErrors }) };
}

/**
 * Starts a process that waits and then becomes the command; it costs 1 MB meanwhile, and outlives this one. SIGTERM ends
 * it. posix_spawn(3)
 *
 * @param container what the process is named after.
 * @param command absolute path of a program, then its arguments.
 * @param cgroupProcs file that takes it out of this process's cgroup; undefined where there are none.
 * @returns the pid, which the command keeps.
 * @throws {SyscallError} EAGAIN, ENOMEM, ENOENT.
 * @throws {LibraryError} when there is no native part for this system.
 */
export function launchLater(
  container: string,
  delayMs: number,
  command: readonly string[],
  cgroupProcs: string | undefined,
): number {
  const path = supervisorPath();
  const startedAt = traceStart();
  const object = `klee-supervisor ${container}`;
  const pid = addon().startDetached(path, [container, "later", String(delayMs), cgroupProcs ?? "-", ...command]);
  traceCall("posix_spawn", object, pid > 0 ? pid : (ownErrors[-pid]?.[0] ?? pid), startedAt);
  if (pid < 0) throw new SyscallError({ call: "posix_spawn", object, errno: -pid, table: ownErrors });
  return pid;
}

/**
 * Attaches to the console of a running process; unix(4), unix(7).
 *
 * @param path of the socket that the supervisor made.
 * @throws {SyscallError} ENOENT when there is none; ECONNREFUSED when the supervisor was killed; EAGAIN when it hangs.
 */
export function connectConsole(path: string): Console {
  const startedAt = traceStart();
  const answer = addon().connectConsole(path);
  traceCall("connect", path, answer.errno === 0 ? 0 : (ownErrors[answer.errno]?.[0] ?? answer.errno), startedAt);
  return consoleOf(path, answer);
}

function consoleOf(object: string, answer: { errno: number; stream: number; master: number }): Console {
  const { errno, stream, master } = answer;
  if (errno !== 0) throw new SyscallError({ call: "connect", object, errno, table: ownErrors });
  return { stream, master: master < 0 ? undefined : master };
}

/** Lets go of a console; the process goes on. */
export function closeConsole({ stream, master }: Console): void {
  closeSync(stream);
  if (master !== undefined) closeSync(master);
}

/**
 * Copies bytes both ways between a console and two descriptors of this process, until the process has ended and all that
 * it wrote is copied, or the keys are typed. Of a terminal's console `stdin` is in raw mode meanwhile, if it is a terminal
 * itself. termios(3)
 *
 * @param stdin "null": nothing is typed.
 * @param stdout "null": what is shown is not wanted.
 * @param detachKeys bytes that end it when they are typed; empty: none do.
 * @returns were the keys typed?
 * @throws {SyscallError} when the console cannot be read.
 */
export function relayConsole(
  { stream, master }: Console,
  stdin: number | "null",
  stdout: number | "null",
  detachKeys: Buffer,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const [input, output] = [stdin, stdout].map((fd) => (fd === "null" ? -1 : fd)) as [number, number];
    addon().startRelay(stream, master ?? -1, input, output, detachKeys, (errno, detached) => {
      if (errno === 0) resolve(detached);
      else reject(new SyscallError({ call: "read", object: "console", errno, table: ownErrors }));
    });
  });
}

/**
 * Sets a terminal's size; its foreground processes get SIGWINCH. TIOCSWINSZ, ioctl_tty(2)
 *
 * @throws {SyscallError} EBADF, ENOTTY.
 */
export function setWindowSize(fd: number, rows: number, columns: number): void {
  const startedAt = traceStart();
  const object = `${columns}x${rows}`;
  const errno = addon().setWindowSize(fd, rows, columns);
  traceCall("ioctl(TIOCSWINSZ)", object, errno === 0 ? 0 : (ownErrors[errno]?.[0] ?? errno), startedAt);
  if (errno !== 0) throw new SyscallError({ call: "ioctl(TIOCSWINSZ)", object, errno, table: ownErrors });
}

/**
 * Waits until no process is left in a cgroup or below it, without polling: POLLPRI of cgroup.events, cgroups(7). Keeps
 * Node alive meanwhile.
 *
 * @param path the cgroup's directory.
 * @returns false when somebody is still there after `timeoutMs` milliseconds.
 * @throws {SyscallError} ENOENT when there is no such cgroup.
 */
export function waitCgroupEmpty(path: string, timeoutMs: number): Promise<boolean> {
  const startedAt = traceStart();
  return new Promise((resolve, reject) => {
    addon().waitCgroupEmpty(path, timeoutMs, (errno, empty) => {
      const call = "poll(cgroup.events)";
      traceCall(call, path, errno === 0 ? Number(empty) : (ownErrors[errno]?.[0] ?? errno), startedAt);
      if (errno === 0) resolve(empty);
      else reject(new SyscallError({ call, object: path, errno, table: ownErrors }));
    });
  });
}

/**
 * Waits until a descriptor is readable, as a queue of events or a process's descriptor is when there is something to
 * tell; poll(2) on a thread of its own. Keeps Node alive meanwhile, also if the descriptor is closed.
 *
 * @param timeoutMs how long, in milliseconds; infinity: without an end.
 * @returns false when there is nothing to read after that time.
 * @throws {SyscallError} EBADF.
 */
export function waitReadable(
  { number, object }: Pick<OwnedFd, "number" | "object">,
  timeoutMs: number,
): Promise<boolean> {
  const startedAt = traceStart();
  return new Promise((resolve, reject) => {
    addon().waitReadable(number, timeoutMs, (errno, readable) => {
      traceCall("poll", object, errno === 0 ? Number(readable) : (ownErrors[errno]?.[0] ?? errno), startedAt);
      if (errno === 0) resolve(readable);
      else reject(new SyscallError({ call: "poll", object, errno, table: ownErrors }));
    });
  });
}
