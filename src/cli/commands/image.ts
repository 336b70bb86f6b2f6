import { Argument, type Command } from "commander";
import type { CreateImage, Image } from "../../kleene/model.ts";
import { UsageError } from "../exit-status.ts";
import { age } from "../io/age.ts";
import { formatJson } from "../io/json.ts";
import type { Session } from "../session.ts";
import { printListing } from "./listing.ts";
import { addListingOptions, type ListingOptions } from "./options.ts";
import { removesMany } from "./prune.ts";
import { forEach } from "./several.ts";
import { type CommandTable, group, shortcut } from "./table.ts";

/** `klee image` and its shortcuts. */
export const imageCommands: CommandTable = {
  image: group("images that containers are made from", { create, inspect, ls: list, rm: remove, tag, prune }),
  isi: shortcut(inspect),
  lsi: shortcut(list),
  rmi: shortcut(remove),
};

function create(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("make an image and print its id")
    .addArgument(
      new Argument(
        "<method>",
        "host: this running system (Linux); tar: an archive of a root file system; dir: a directory; " +
          "zfs-copy, zfs-clone: a dataset (FreeBSD); fetch: an archive from a server, by default FreeBSD's own release",
      ).choices(["host", "tar", "dir", "zfs-copy", "zfs-clone", "fetch"]),
    )
    .argument("[source]", "the archive, the directory, the dataset or the URL")
    .option("-t, --tag <name[:tag]>", "name of the new image")
    .addHelpText(
      "after",
      "\nExamples:\n  klee image create host -t FreeBSD\n  klee image create tar base.txz -t base:14\n  klee image create fetch -t FreeBSD",
    )
    .action(
      session.action(
        async (method: CreateImage["method"], source: string | undefined, options: { readonly tag?: string }) => {
          if (method !== "host" && method !== "fetch" && source === undefined)
            throw new UsageError(`The SOURCE argument is needed when creating images using the '${method}' method.`);
          const request: CreateImage = { method, source, tag: options.tag };
          const { id } = await session.withKlee((klee) => klee.images.create(request));
          session.print(id);
          return 0;
        },
      ),
    );
}

function inspect(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print an image as JSON")
    .argument("<image>", "name[:tag], id or unique start of an id")
    .action(
      session.action(async (reference: string) => {
        session.print(formatJson(await session.look((klee) => klee.images.inspect(reference))));
        return 0;
      }),
    );
}

function list(parent: Command, name: string, session: Session): void {
  addListingOptions(parent.command(name).description("list images")).action(
    session.action(async (options: ListingOptions) => {
      const images = await session.look((klee) => klee.images.list());
      const now = session.context.now();
      await printListing<Image>(session, options, images, {
        columns: ["ID", "NAME", "TAG", "CREATED"].map((header) => ({ header })),
        row: (image) => [image.id, image.name, image.tag, age(now - Date.parse(image.created))],
      });
      return 0;
    }),
  );
}

function remove(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("remove images")
    .argument("<images...>", "names, ids or unique starts of ids")
    .action(
      session.action((references: string[]) =>
        session.withKlee((klee) =>
          forEach(session, references, async (reference) => session.print(await klee.images.remove(reference))),
        ),
      ),
    );
}

function tag(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("give an image a name, and print its id")
    .argument("<image>", "name[:tag], id or unique start of an id")
    .argument("<nametag>", "NAME[:TAG]; the default tag is latest")
    .action(
      session.action(async (reference: string, nameTag: string) => {
        session.print((await session.withKlee((klee) => klee.images.tag(reference, nameTag))).id);
        return 0;
      }),
    );
}

function prune(parent: Command, name: string, session: Session): void {
  removesMany(
    parent
      .command(name)
      .description("remove unused images that have no name")
      .option("-a, --all", "remove unused images with a name too"),
    session,
    ({ all }: { readonly all?: boolean; readonly force?: boolean }) =>
      all ? "all unused images" : "all unused images without a name",
    (klee, { all = false }) => klee.images.prune({ all }),
  );
}
