import type { Command } from "commander";
import type { ContainerListing } from "../../../kleene/model.ts";
import { age } from "../../io/age.ts";
import { formatJson } from "../../io/json.ts";
import { type Column, cut } from "../../io/table.ts";
import type { Session } from "../../session.ts";
import { printListing } from "../listing.ts";
import { addListingOptions, type ListingOptions } from "../options.ts";

const columns: readonly Column[] = [
  // One cell wider than an id, as in the walkthrough.
  { header: "CONTAINER ID", minWidth: 13 },
  { header: "NAME" },
  { header: "IMAGE", cut: true },
  { header: "COMMAND", cut: true },
  { header: "CREATED" },
  { header: "STATUS" },
  { header: "JID" },
];

/** Adds `ls`: list running containers, or all. */
export function list(parent: Command, name: string, session: Session): void {
  addListingOptions(parent.command(name).description("list running containers"))
    .option("-a, --all", "list stopped ones too")
    .action(
      session.action(async (options: ListingOptions & { readonly all?: boolean }) => {
        const containers = await session.look((klee) => klee.containers.list({ all: options.all ?? false }));
        const now = session.context.now();
        await printListing<ContainerListing>(session, options, containers, {
          columns,
          row: ({ id, name, image, command, created, status, jid }) => [
            id,
            name,
            image,
            options.trunc ? cut(command.join(" ")) : command.join(" "),
            age(now - Date.parse(created)),
            status,
            jid === undefined ? "" : String(jid),
          ],
          json: (container) => ({ ...container, jid: container.jid ?? null }),
        });
        return 0;
      }),
    );
}

/** Adds `inspect`: all that klee knows of a container. */
export function inspect(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print a container, its endpoints and its mounts as JSON")
    .argument("<container>", "name, id or unique start of an id")
    .action(
      session.action(async (reference: string) => {
        session.print(formatJson(await session.look((klee) => klee.containers.inspect(reference))));
        return 0;
      }),
    );
}
