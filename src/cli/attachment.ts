import { messageOf } from "../kleene/errors.ts";
import type {
  Execution,
  ExecutionOptions,
  ExecutionResult,
  ExecutionTerminal,
  Stdio,
  WindowSize,
} from "../kleene/model.ts";
import type { CliContext } from "./context.ts";
import { parseKeys } from "./detach-keys.ts";
import { UsageError } from "./exit-status.ts";
import type { Streams } from "./io/streams.ts";
import type { Session } from "./session.ts";
import { allForwarded, SignalForwarder, withoutHangUp } from "./signals.ts";
import { during } from "./timeline.ts";

/** How a command in a container is connected to klee's own standard streams. */
export interface Connection {
  readonly detach?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detachKeys?: string;
}

export type Start = (options: ExecutionOptions) => Promise<Execution>;

const unconnected: Stdio = { stdin: "null", stdout: "null", stderr: "null" };
const defaultWindow: WindowSize = { rows: 24, columns: 80 };

/** @throws {UsageError} for a further command: only a container's first one can be attached to later. */
export function refuseDetachedInput({ detach, interactive, tty }: Connection): void {
  if (detach && (interactive || tty))
    throw new UsageError("-d cannot be combined with -i or -t: nobody would be at the other end");
}

/**
 * The descriptor for what klee itself has to say around a command's output. A pipe or a file carries that output alone;
 * of a detached command there is none, and the ids are the result.
 */
export function messagesTo(streams: Streams, { detach }: Connection): 1 | 2 {
  return detach || streams.isTerminal(1) ? 1 : 2;
}

/** Starts a command that klee does not wait for. */
export async function startDetached(
  session: Session,
  start: Start,
  { interactive, tty }: Connection = {},
): Promise<Execution> {
  const stdio = tty ? terminalStdio(session.context) : unconnected;
  const execution = await start({ stdio, log: true, input: interactive, onWarning: warnOn(session) });
  execution.detach();
  return execution;
}

/**
 * Starts a command and, unless detached, stays with it until it has ended, or the user detaches.
 *
 * @returns how it ended; undefined when detached.
 */
export async function follow(
  session: Session,
  connection: Connection,
  start: Start,
): Promise<ExecutionResult | undefined> {
  const { streams, signals } = session.context;
  const say = (text: string): void => streams.write(messagesTo(streams, connection), `${text}\n`);
  if (connection.detach) {
    say(created((await startDetached(session, start, connection)).id));
    return undefined;
  }
  const keys = parseKeys(connection.detachKeys);
  // A terminal that hangs up takes klee with it, and nothing else.
  const forwarder = new SignalForwarder(
    signals,
    connection.tty ? withoutHangUp : allForwarded,
    session.report.bind(session),
  );
  try {
    const stdio = attachedStdio(session.context, connection);
    const execution = await start({ stdio, onWarning: warnOn(session), onCreated: (id) => say(created(id)) });
    forwarder.attach(execution);
    const stdin = connection.interactive ? 0 : "null";
    const { terminal } = execution;
    if (terminal !== undefined && (await relay(session, terminal, { stdin, keys }, forwarder))) {
      execution.detach();
      session.report(`detached from container ${execution.containerId}`);
      return undefined;
    }
    const result = await during("payload", () => execution.exited);
    say(`\n${closing(execution.id, result)}`);
    return result;
  } finally {
    forwarder.release();
  }
}

const warnOn =
  (session: Session) =>
  (message: string): void =>
    session.report(`warning: ${message}`);

/** What klee says of an execution that begins. */
export function created(executionId: string): string {
  return `created execution instance ${executionId}`;
}

function closing(id: string, { status, containerEnded }: ExecutionResult): string {
  return containerEnded
    ? `executable ${id} and its container exited with exit-code ${status}`
    : `${id} has exited with exit-code ${status}`;
}

/** The command gets our descriptors themselves, or a terminal of its own. */
function attachedStdio(context: CliContext, { interactive, tty }: Connection): Stdio {
  return tty ? terminalStdio(context) : { stdin: interactive ? 0 : "null", stdout: 1, stderr: 2 };
}

function terminalStdio({ streams, environment }: CliContext): Stdio {
  return { ...unconnected, terminal: streams.windowSize() ?? windowOf(environment) };
}

function windowOf({ COLUMNS, LINES }: CliContext["environment"]): WindowSize {
  return { rows: positive(LINES) ?? defaultWindow.rows, columns: positive(COLUMNS) ?? defaultWindow.columns };
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
}

/**
 * Connects a command's terminal with ours, until the command's side closes or the user detaches.
 *
 * @returns true when the user did.
 */
export async function relay(
  session: Session,
  terminal: ExecutionTerminal,
  { stdin, keys }: { readonly stdin: number | "null"; readonly keys: Buffer },
  forwarder: SignalForwarder,
): Promise<boolean> {
  const { streams } = session.context;
  forwarder.followWindow(
    (size) => terminal.resize(size),
    () => streams.windowSize(),
  );
  try {
    return await terminal.relay(stdin, 1, keys);
  } catch (error) {
    // The command goes on without us looking: its status still counts.
    session.report(`terminal: ${messageOf(error)}`);
    return false;
  }
}
