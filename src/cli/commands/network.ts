import type { Command } from "commander";
import type { CreateNetwork, Network } from "../../kleene/model.ts";
import { formatJson } from "../io/json.ts";
import type { Session } from "../session.ts";
import { type Listing, printListing } from "./listing.ts";
import { connect, disconnect, rules } from "./network-connections.ts";
import { graph } from "./network-graph.ts";
import { addListingOptions, collect, type ListingOptions, parseBool } from "./options.ts";
import { removesMany } from "./prune.ts";
import { forEach } from "./several.ts";
import { type CommandTable, group, shortcut } from "./table.ts";

interface CreateOptions {
  readonly type?: string;
  readonly interface?: string;
  readonly subnet?: string;
  readonly subnet6?: string;
  readonly ipRange?: readonly string[];
  readonly exclude?: readonly string[];
  readonly nat?: boolean;
  readonly natIf?: string;
  readonly icc?: boolean;
  readonly internal?: boolean;
  readonly log?: boolean;
  readonly gw?: string;
  readonly gw6?: string;
}

const listing: Listing<Network> = {
  columns: ["ID", "NAME", "TYPE", "SUBNET", "SUBNET6"].map((header) => ({ header })),
  row: ({ id, name, type, subnet, subnet6 }) => [id, name, type, subnet, subnet6],
};

/** `klee network` and its shortcuts. */
export const networkCommands: CommandTable = {
  network: group("networks that containers are connected to", {
    create,
    inspect,
    ls: list,
    rm: remove,
    prune,
    connect,
    disconnect,
    rules,
    graph,
  }),
  isn: shortcut(inspect),
  lsn: shortcut(list),
  rmn: shortcut(remove),
};

function create(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("make a network and print its id")
    .argument("<name>", "name of the new network")
    .option("-t, --type <type>", "loopback (default), bridge: with an address of the host, custom: on your -i")
    .option("-i, --interface <if>", "name of the new interface (default: the first free kleeneN); custom: your own")
    .option("--subnet <cidr>", "IPv4 subnet, as in 10.2.3.0/24")
    .option("--subnet6 <cidr>", "IPv6 subnet, as in fd00:2:3::/64")
    .option("--ip-range <addresses>", "give containers addresses of this block or FIRST-LAST; one a family", collect)
    .option("--exclude <addresses>", "address, block or FIRST-LAST that no container gets; repeatable", collect)
    .option("--gw <address>", "bridge: the host's IPv4 address there (default: the first; '' for none)")
    .option("--gw6 <address>", "bridge: the host's IPv6 address there (default: the first; '' for none)")
    .option("--nat <bool>", "translate addresses on the way out (default: true)", parseBool)
    .option("--no-nat", "the same as --nat=false")
    .option("--nat-if <if>", "translate on this interface alone (default: on whatever packets leave by)")
    .option("--icc <bool>", "let the network's containers reach each other (default: true)", parseBool)
    .option("--internal", "no way out of the network")
    .option("--log", "log what is blocked to or from its containers: nflog group 24 (Linux), pflog0 (FreeBSD)")
    .addHelpText("after", "\nExample:\n  klee network create --subnet 10.2.3.0/24 testnet")
    .action(
      session.action(async (name: string, options: CreateOptions) => {
        const request: CreateNetwork = {
          name,
          type: options.type,
          interface: options.interface,
          subnet: options.subnet,
          subnet6: options.subnet6,
          ipRanges: options.ipRange,
          exclude: options.exclude,
          nat: options.nat,
          natInterface: options.natIf,
          icc: options.icc,
          internal: options.internal,
          log: options.log,
          gateway: options.gw,
          gateway6: options.gw6,
        };
        const { id } = await session.withKlee((klee) => klee.networks.create(request));
        session.print(id);
        return 0;
      }),
    );
}

function inspect(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print a network and its endpoints as JSON")
    .argument("<network>", "name, id or unique start of an id")
    .action(
      session.action(async (reference: string) => {
        session.print(formatJson(await session.look((klee) => klee.networks.inspect(reference))));
        return 0;
      }),
    );
}

function list(parent: Command, name: string, session: Session): void {
  addListingOptions(parent.command(name).description("list networks")).action(
    session.action(async (options: ListingOptions) => {
      const networks = await session.look((klee) => klee.networks.list());
      await printListing(session, options, networks, listing);
      return 0;
    }),
  );
}

function remove(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("remove networks")
    .argument("<networks...>", "names, ids or unique starts of ids")
    .option("-f, --force", "disconnect their containers first, those that run too")
    .action(
      session.action((references: string[], { force = false }: { readonly force?: boolean }) =>
        session.withKlee((klee) =>
          forEach(session, references, async (reference) =>
            session.print(await klee.networks.remove(reference, { force })),
          ),
        ),
      ),
    );
}

function prune(parent: Command, name: string, session: Session): void {
  removesMany(
    parent.command(name).description("remove all networks without containers"),
    session,
    () => "all unused networks",
    (klee) => klee.networks.prune(),
  );
}
