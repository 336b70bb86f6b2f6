import type { Command } from "commander";
import { type Connection, follow, refuseDetachedInput } from "../../attachment.ts";
import { DEFAULT_KEYS } from "../../detach-keys.ts";
import { UsageError } from "../../exit-status.ts";
import type { Session } from "../../session.ts";
import { collect, innerCommand } from "../options.ts";
import { forEach } from "../several.ts";

interface ExecOptions extends Connection {
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
}

/** Adds the options that say how a command is connected to klee's own streams. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option("-d, --detach", "do not wait for the command")
    .option("-i, --interactive", "connect standard input; with -d, keep it open for 'klee attach'")
    .option("-t, --tty", "give the command a terminal")
    .option("--detach-keys <keys>", `keys that detach from its terminal (default: ${DEFAULT_KEYS})`);
}

/** Adds `start`: start containers with their own command. */
export function start(parent: Command, name: string, session: Session): void {
  addConnectionOptions(parent.command(name).description("start a container; with -d, several"))
    .argument("<containers...>", "names, ids or unique starts of ids")
    .action(
      session.action(async (references: string[], options: Connection) => {
        if (references.length > 1 && !options.detach)
          throw new UsageError("only one container can be started when attaching to container I/O.");
        return session.withKlee(async ({ containers }) => {
          let status = 0;
          const failures = await forEach(session, references, async (reference) => {
            const result = await follow(session, options, (how) => containers.start(reference, how));
            status = result?.status ?? 0;
          });
          return failures || status;
        });
      }),
    );
}

/** Adds `exec`: run a command in a container. */
export function exec(parent: Command, name: string, session: Session): void {
  addConnectionOptions(
    parent
      .command(name)
      .description("run a command in a container, starting it if need be; exits with the command's status"),
  )
    .argument("<container>", "name, id or unique start of an id")
    .argument("[command...]", "the command (default: the container's own)")
    .passThroughOptions()
    .option("-e, --env <key=value>", "set an environment variable; repeatable", collect)
    .option("-u, --user <user>", "user to run as (default: the container's)")
    .option("-w, --workdir <directory>", "where it starts (default: the container's -w, or the user's home)")
    .addHelpText("after", "\nExample:\n  klee exec -it web /bin/sh")
    .action(
      session.action(async (reference: string, words: string[], options: ExecOptions) => {
        refuseDetachedInput(options);
        const { env, user, workdir } = options;
        const request = { command: innerCommand(words), directory: workdir, env, user };
        return session.withKlee(async ({ containers }) => {
          const result = await follow(session, options, (how) => containers.exec(reference, { ...request, ...how }));
          return result?.status ?? 0;
        });
      }),
    );
}
