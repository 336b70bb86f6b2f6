import type { Context } from "../context.ts";
import { hostFailure, KleeError } from "../errors.ts";
import type { HostConsole } from "../host/host.ts";
import type { Attachment } from "../model.ts";
import { consolePath } from "./console.ts";
import { readLog } from "./log.ts";
import { waitForStatus } from "./record.ts";
import type { StoredContainer } from "./rows.ts";

/** Connects to the first process of a running container, as its run allows. */
export function attachTo(context: Context, { id, name, output }: StoredContainer): Omit<Attachment, "signal"> {
  const exited = (): Promise<number> => waitForStatus(context, id);
  const path = consolePath(context, id);
  switch (output) {
    case "terminal": {
      const { terminal, close } = openConsole(context, name, id, path);
      return { containerId: id, terminal, output: undefined, type: undefined, exited, close };
    }
    case "log":
    case "log and input": {
      const console = output === "log and input" ? openConsole(context, name, id, path) : undefined;
      // Asked before the log is read: what is written after that belongs to this run.
      const ended = exited().catch(() => undefined);
      const written = readLog(context, id, { follow: true, tail: 0 }, ended);
      const close = (): void => console?.close();
      return { containerId: id, terminal: undefined, output: written, type: console?.type, exited, close };
    }
    case "starter":
      throw new KleeError(
        "CONFLICT",
        `the output of ${name} (${id}) goes where the klee that started it was told to write; start it with -d or -t to attach to it`,
      );
  }
}

function openConsole({ host }: Context, name: string, id: string, path: string): HostConsole {
  try {
    return host.jails.attach(path);
  } catch (error) {
    throw hostFailure(`cannot attach to ${name} (${id})`, error);
  }
}
