import type { Command } from "commander";
import { failed } from "../exit-status.ts";
import type { Session } from "../session.ts";
import { events } from "./events.ts";
import { removesMany } from "./prune.ts";
import { type CommandTable, group, shortcut } from "./table.ts";

/** `klee system` and its shortcut. */
export const systemCommands: CommandTable = {
  system: group("klee's store and this host as a whole", { check, reconcile, cleanup, events, teardown, restart }),
  events: shortcut(events),
};

function check(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print what does not work, one line each, and notes; the exit status is 1 if anything does not")
    .action(
      session.action(async () => {
        const { problems, notes } = await session.look(async (klee) => ({
          problems: await klee.system.check(),
          notes: klee.system.advice(),
        }));
        for (const problem of problems) session.print(problem);
        for (const note of notes) session.print(`note: ${note}`);
        return problems.length === 0 ? 0 : failed;
      }),
    );
}

function reconcile(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("make the kernel agree with the store, and print what was repaired")
    .action(
      session.action(async () => {
        for (const repair of await session.withKlee((klee) => klee.system.reconcile())) session.print(repair);
        return 0;
      }),
    );
}

function cleanup(parent: Command, name: string, session: Session): void {
  removesMany(
    parent.command(name).description("remove all that klee made on this host"),
    session,
    () => "all containers, networks, images and volumes of klee on this host",
    (klee) => klee.system.cleanup(),
  );
}

/** The supervisor's call at the end of a container that no klee watches. */
function teardown(parent: Command, name: string, session: Session): void {
  parent
    .command(name, { hidden: true })
    .argument("<container-id>")
    .argument("<execution-id>")
    .action(
      session.action((containerId: string, executionId: string) =>
        session.withKlee(async (klee) => {
          await klee.system.teardown(containerId, executionId);
          return 0;
        }),
      ),
    );
}

/** The call of the process that waits while a container is to start again. */
function restart(parent: Command, name: string, session: Session): void {
  parent
    .command(name, { hidden: true })
    .argument("<container-id>")
    .argument("<operation>")
    .action(
      session.action((containerId: string, operation: string) =>
        session.withKlee(async (klee) => {
          await klee.system.restart(containerId, Number(operation));
          return 0;
        }),
      ),
    );
}
