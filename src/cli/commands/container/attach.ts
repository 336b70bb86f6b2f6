import type { Command } from "commander";
import { messageOf } from "../../../kleene/errors.ts";
import type { Attachment } from "../../../kleene/model.ts";
import { relay } from "../../attachment.ts";
import { DEFAULT_KEYS, parseKeys } from "../../detach-keys.ts";
import { LogPrinter } from "../../io/log-printer.ts";
import type { Session } from "../../session.ts";
import { SignalForwarder, withoutHangUp } from "../../signals.ts";

interface AttachOptions {
  readonly stdin: boolean;
  readonly sigProxy: boolean;
  readonly detachKeys?: string;
}

/** Adds `attach`: see and type what a container's first process shows and reads. */
export function attach(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("connect to a running container's first process; exits with its status")
    .argument("<container>", "name, id or unique start of an id")
    .option("--no-stdin", "only look")
    .option("--no-sig-proxy", "keep signals: ^C ends klee, and the container goes on")
    .option("--detach-keys <keys>", `keys that detach from a terminal (default: ${DEFAULT_KEYS})`)
    .addHelpText("after", "\nExample:\n  klee run -dit --name sh FreeBSD /bin/sh\n  klee attach sh")
    .action(
      session.action((reference: string, options: AttachOptions) =>
        session.look(async ({ containers }) => {
          const keys = parseKeys(options.detachKeys);
          const attachment = await containers.attach(reference);
          const forwarder = new SignalForwarder(
            session.context.signals,
            options.sigProxy ? withoutHangUp : [],
            session.report.bind(session),
          );
          forwarder.attach(attachment);
          try {
            return await stay(session, attachment, options, keys, forwarder);
          } finally {
            forwarder.release();
            attachment.close();
          }
        }),
      ),
    );
}

/** Until the process has ended, or the user detaches. */
async function stay(
  session: Session,
  { containerId, terminal, output, type, exited }: Attachment,
  options: AttachOptions,
  keys: Buffer,
  forwarder: SignalForwarder,
): Promise<number> {
  const { streams } = session.context;
  if (terminal !== undefined) {
    const size = streams.windowSize();
    if (size !== undefined) {
      // A program that fills the screen draws it again when the size changes.
      terminal.resize({ ...size, rows: size.rows + 1 });
      terminal.resize(size);
    }
    if (await relay(session, terminal, { stdin: options.stdin ? 0 : "null", keys }, forwarder)) {
      session.report(`detached from container ${containerId}`);
      return 0;
    }
    return exited();
  }
  const typing = options.stdin
    ? type?.(0).catch((error: unknown) => session.report(`standard input: ${messageOf(error)}`))
    : undefined;
  const printer = new LogPrinter(session);
  for await (const record of output ?? []) if (!printer.print(record)) return 0;
  await typing;
  return exited();
}
