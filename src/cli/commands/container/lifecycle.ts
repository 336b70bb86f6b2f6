import type { Command } from "commander";
import { created, startDetached } from "../../attachment.ts";
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
export function rename(parent: Command, session: Session): void {
  parent
    .command("rename")
    .description("give a container another name, and print its id")
    .argument("<container>", "name, id or unique start of an id")
    .argument("<name>", "the new name")
    .action(
      session.action(async (reference: string, name: string) => {
        session.print((await session.withKlee((klee) => klee.containers.rename(reference, name))).id);
        return 0;
      }),
    );
}

/** Adds `prune`: remove all stopped containers that are not persistent. */
export function prune(parent: Command, session: Session): void {
  removesMany(
    parent.command("prune").description("remove all stopped containers but those made with -P"),
    session,
    () => "all stopped containers",
    (klee) => klee.containers.prune(),
  );
}
