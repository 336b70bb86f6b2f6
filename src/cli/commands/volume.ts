import type { Command } from "commander";
import { age } from "../io/age.ts";
import { formatJson } from "../io/json.ts";
import type { Session } from "../session.ts";
import { printListing } from "./listing.ts";
import { addListingOptions, type ListingOptions } from "./options.ts";
import { removesMany } from "./prune.ts";
import { forEach } from "./several.ts";
import { type CommandTable, group, shortcut } from "./table.ts";

/** `klee volume` and its shortcuts. */
export const volumeCommands: CommandTable = {
  volume: group("directories that outlive containers", { create, inspect, ls: list, rm: remove, prune }),
  isv: shortcut(inspect),
  lsv: shortcut(list),
  rmv: shortcut(remove),
};

function create(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("make an empty volume and print its name")
    .argument("<name>", "name of the new volume")
    .addHelpText("after", "\nExample:\n  klee volume create data\n  klee run -m data:/var/db base ls /var/db")
    .action(
      session.action(async (name: string) => {
        session.print((await session.withKlee((klee) => klee.volumes.create(name))).name);
        return 0;
      }),
    );
}

function inspect(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print a volume and where it is mounted as JSON")
    .argument("<volume>", "its name")
    .action(
      session.action(async (name: string) => {
        session.print(formatJson(await session.look((klee) => klee.volumes.inspect(name))));
        return 0;
      }),
    );
}

function list(parent: Command, name: string, session: Session): void {
  addListingOptions(parent.command(name).description("list volumes")).action(
    session.action(async (options: ListingOptions) => {
      const volumes = await session.look((klee) => klee.volumes.list());
      const now = session.context.now();
      const items = volumes.map((volume) => ({ id: volume.name, volume }));
      await printListing(session, options, items, {
        columns: ["VOLUME NAME", "CREATED"].map((header) => ({ header })),
        row: ({ volume }) => [volume.name, age(now - Date.parse(volume.created))],
        json: ({ volume }) => volume,
      });
      return 0;
    }),
  );
}

function remove(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("remove volumes with all that is in them")
    .argument("<volumes...>", "names")
    .action(
      session.action((names: string[]) =>
        session.withKlee((klee) =>
          forEach(session, names, async (name) => session.print(await klee.volumes.remove(name))),
        ),
      ),
    );
}

function prune(parent: Command, name: string, session: Session): void {
  removesMany(
    parent.command(name).description("remove the volumes that no container has"),
    session,
    () => "all unused volumes",
    (klee) => klee.volumes.prune(),
  );
}
