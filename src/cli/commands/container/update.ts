import type { Command } from "commander";
import type { UpdateContainer } from "../../../kleene/model.ts";
import { UsageError } from "../../exit-status.ts";
import type { Session } from "../../session.ts";
import { collect, parseBool } from "../options.ts";
import { type CreateOptions, RESTART_POLICIES } from "./create.ts";

type UpdateOptions = Pick<
  CreateOptions,
  "user" | "workdir" | "env" | "jailparam" | "cpus" | "memory" | "pids" | "ports" | "persist" | "restart" | "name"
>;

/** Adds `update`: change settings of a container. */
export function update(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("change settings of a container, and print its id; what is not given stays")
    .argument("<container>", "name, id or unique start of an id")
    // Options are read wherever they stand: behind the container's name they are no part of a command.
    .argument("[new-command...]", "what to run in it; after -- if it has options")
    .option("-u, --user <user>", "user to run as, known in the container")
    .option("-w, --workdir <directory>", "where its commands start; '' for their user's home")
    .option("-e, --env <key=value>", "set an environment variable, beside the others; repeatable", collect)
    .option("-J, --jailparam <param>", "set a jail parameter, beside the others; repeatable", collect)
    .option("--cpus <number>", "processors that it may use; '' for all")
    .option("--memory <size>", "memory that it may use; '' for all")
    .option("--pids <number>", "processes that it may have; '' for any number")
    .option("--ports <number>", "ports of the host that it may have; '' for 8192")
    .option("-P, --persist <bool>", "spare the container from prune", parseBool)
    .option("--restart <policy>", RESTART_POLICIES)
    .option("--name <name>", "another name")
    .addHelpText("after", "\nExample:\n  klee container update --restart always web")
    .action(
      session.action(async (reference: string, words: string[], options: UpdateOptions) => {
        const { jailparam, workdir, ...rest } = options;
        const request: UpdateContainer = { ...rest, command: words, directory: workdir, jailParams: jailparam };
        if (request.command.length === 0 && Object.keys(options).length === 0)
          throw new UsageError("nothing to change: give an option or a command");
        const { id, name, running } = await session.withKlee((klee) => klee.containers.update(reference, request));
        session.print(id);
        if (running && countsLater(request))
          session.report(`container ${name} runs on as it was started: the changes count from its next start on`);
        return 0;
      }),
    );
}

/** Is something to change that a run under way was started with, and keeps? */
function countsLater({ command, directory, user, env, jailParams }: UpdateContainer): boolean {
  return command.length > 0 || [directory, user, env, jailParams].some((value) => value !== undefined);
}
