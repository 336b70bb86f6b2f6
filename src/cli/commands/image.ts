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
  images: shortcut(list),
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
          "zfs-copy, zfs-clone: a dataset (FreeBSD); fetch: an archive from a server; fetch-auto: the base system of " +
          "this host's own release, from FreeBSD's servers or a mirror",
      ).choices(["host", "tar", "dir", "zfs-copy", "zfs-clone", "fetch", "fetch-auto"]),
    )
    .argument("[source]", "the archive, the directory, the dataset, the URL or the mirror's URL")
    .option("-t, --tag <name[:tag]>", "name of the new image")
    .option("-a, --autotag", "call what is fetched FreeBSD-VERSION, whatever -t says (default: if -t says nothing)")
    .option("--no-autotag", "do not")
    .option("--dns", "give containers the host's name servers (default)")
    .option("--no-dns", "leave them the image's own resolv.conf")
    .option("--localtime", "copy the host's time zone into the image (default)")
    .option("--no-localtime", "do not")
    .addHelpText(
      "after",
      `
On Linux no /etc/rc is there to start an image as a machine: give run a command that stays, as sleep infinity.

Examples:
  klee image create host -t FreeBSD
  klee image create tar base.txz -t base:14
  klee image create fetch-auto`,
    )
    .action(
      session.action(async (method: CreateImage["method"], source: string | undefined, options: CreateOptions) => {
        if (!WITHOUT_SOURCE.includes(method) && source === undefined)
          throw new UsageError(`The SOURCE argument is needed when creating images using the '${method}' method.`);
        const { tag, autotag, dns, localtime = true } = options;
        const request: CreateImage = { method, source, tag, autotag, dns, localtime };
        const { id } = await session.withKlee((klee) => klee.images.create(request));
        session.print(id);
        return 0;
      }),
    );
}

interface CreateOptions {
  readonly tag?: string;
  readonly autotag?: boolean;
  readonly dns?: boolean;
  readonly localtime?: boolean;
}

/** `fetch` without one is the older way to say `fetch-auto`. */
const WITHOUT_SOURCE: readonly CreateImage["method"][] = ["host", "fetch", "fetch-auto"];

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
