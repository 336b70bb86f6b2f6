import { messageOf } from "../kleene/errors.ts";
import type { Execution, ExecutionOptions, ExecutionResult, Stdio, WindowSize } from "../kleene/model.ts";
import { during } from "../timeline.ts";
import type { CliContext, Streams } from "./context.ts";
import { UsageError } from "./exit-status.ts";
import type { Session } from "./session.ts";
import { SignalForwarder } from "./signals.ts";

/** How a command in a container is connected to klee's own standard streams. */
export interface Connection {
  readonly detach?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

export type Start = (options: ExecutionOptions) => Promise<Execution>;

const unconnected: Stdio = { stdin: "null", stdout: "null", stderr: "null" };
const defaultWindow: WindowSize = { rows: 24, columns: 80 };

/** @throws {UsageError} for options that exclude each other. */
export function checkConnection({ detach, interactive, tty }: Connection): void {
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
export async function startDetached(session: Session, start: Start): Promise<Execution> {
  const execution = await start({ stdio: unconnected, log: true, onWarning: warnOn(session) });
  execution.detach();
  return execution;
}

/**
 * Starts a command and, unless detached, stays with it until it has ended.
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
    say(created((await startDetached(session, start)).id));
    return undefined;
  }
  const forwarder = new SignalForwarder(signals);
  try {
    const stdio = attachedStdio(session.context, connection);
    const execution = await start({ stdio, onWarning: warnOn(session), onCreated: (id) => say(created(id)) });
    forwarder.attach(execution);
    await relay(session, connection, execution, forwarder);
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
function attachedStdio({ streams, environment }: CliContext, { interactive, tty }: Connection): Stdio {
  if (!tty) return { stdin: interactive ? 0 : "null", stdout: 1, stderr: 2 };
  return { ...unconnected, terminal: streams.windowSize() ?? windowOf(environment) };
}

function windowOf({ COLUMNS, LINES }: CliContext["environment"]): WindowSize {
  return { rows: positive(LINES) ?? defaultWindow.rows, columns: positive(COLUMNS) ?? defaultWindow.columns };
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
}

/** Connects the command's terminal, if it has one, with ours, until the command's side closes. */
async function relay(
  session: Session,
  { interactive }: Connection,
  { terminal }: Execution,
  forwarder: SignalForwarder,
): Promise<void> {
  if (terminal === undefined) return;
  const { streams } = session.context;
  forwarder.followWindow(
    (size) => terminal.resize(size),
    () => streams.windowSize(),
  );
  try {
    await terminal.relay(interactive ? 0 : "null", 1);
  } catch (error) {
    // The command goes on without us looking: its status still counts.
    session.report(`terminal: ${messageOf(error)}`);
  }
}
