import { constants } from "node:os";
import type { Command } from "commander";
import { created, startDetached } from "../../attachment.ts";
import { UsageError } from "../../exit-status.ts";
import type { Session } from "../../session.ts";
import { removesMany } from "../prune.ts";
import { forEach } from "../several.ts";

/** Adds `stop`: end the processes of containers. */
export function stop(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("stop containers")
    .argument("<containers...>", "names, ids or unique starts of ids")
    .action(
      session.action((references: string[]) =>
        session.withKlee(({ containers }) =>
          forEach(session, references, async (reference) => session.print(await containers.stop(reference))),
        ),
      ),
    );
}

/** Adds `kill`: send a signal to the first processes of containers. */
export function kill(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("send a signal to the first process of containers")
    .argument("<containers...>", "names, ids or unique starts of ids")
    .option("-s, --signal <signal>", "name or number", parseSignal, constants.signals.SIGKILL)
    .action(
      session.action((references: string[], { signal }: { readonly signal: number }) =>
        session.withKlee(({ containers }) =>
          forEach(session, references, async (reference) => session.print(await containers.kill(reference, signal))),
        ),
      ),
    );
}

/** `TERM`, `SIGTERM`, `15` */
function parseSignal(text: string): number {
  const signals: Readonly<Record<string, number>> = constants.signals;
  const wanted = /^\d+$/.test(text) ? Number(text) : signals[`SIG${text.toUpperCase().replace(/^SIG/, "")}`];
  if (wanted === undefined || !Object.values(signals).includes(wanted))
    throw new UsageError(`${JSON.stringify(text)} is no signal; give a name as of kill(1), or a number`);
  return wanted;
}

/** Adds `wait`: until containers have ended. */
export function wait(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("wait until containers have ended, and print their exit statuses")
    .argument("<containers...>", "names, ids or unique starts of ids")
    .action(
      session.action((references: string[]) =>
        session.look(({ containers }) =>
          forEach(session, references, async (reference) => session.print(String(await containers.wait(reference)))),
        ),
      ),
    );
}

/** Adds `restart`: stop containers that run, and start them all with their own command. */
export function restart(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("stop containers and start them again")
    .argument("<containers...>", "names, ids or unique starts of ids")
    .action(
      session.action((references: string[]) =>
        session.withKlee(({ containers }) =>
          forEach(session, references, async (reference) => {
            const { id, containerId } = await startDetached(session, (how) => containers.restart(reference, how));
            session.print(containerId);
            session.print(created(id));
          }),
        ),
      ),
    );
}

/** Adds `rm`: remove containers with their files. */
export function remove(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("remove containers")
    .argument("<containers...>", "names, ids or unique starts of ids")
    .option("-f, --force", "stop those that run first")
    .action(
      session.action((references: string[], { force = false }: { readonly force?: boolean }) =>
        session.withKlee(({ containers }) =>
          forEach(session, references, async (reference) =>
            session.print(await containers.remove(reference, { force })),
          ),
        ),
      ),
    );
}

/** Adds `rename`: give a container another name. */
export function rename(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("give a container another name, and print its id")
    .argument("<container>", "name, id or unique start of an id")
    .argument("<name>", "the new name")
    .action(
      session.action(async (reference: string, newName: string) => {
        session.print((await session.withKlee((klee) => klee.containers.rename(reference, newName))).id);
        return 0;
      }),
    );
}

/** Adds `prune`: remove all stopped containers that are not persistent. */
export function prune(parent: Command, name: string, session: Session): void {
  removesMany(
    parent.command(name).description("remove all stopped containers but those made with -P"),
    session,
    () => "all stopped containers",
    (klee) => klee.containers.prune(),
  );
}
