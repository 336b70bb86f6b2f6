import type { Command } from "commander";
import type { ConnectContainer } from "../../kleene/model.ts";
import { formatJson } from "../io/json.ts";
import type { Session } from "../session.ts";
import { addFormatOption } from "./options.ts";

const NAMES = "name, id or unique start of an id";

/** Adds `connect`: give a container a place in one more network. */
export function connect(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("connect a container to a network; while it runs, at once")
    .argument("<network>", NAMES)
    .argument("<container>", NAMES)
    .option("--ip <address>", "IPv4 address (default: the first free one; '' for none)")
    .option("--ip6 <address>", "IPv6 address (default: the first free one; '' for none)")
    .addHelpText("after", "\nExample:\n  klee network connect --ip 10.2.3.50 testnet web")
    .action(
      session.action(async (network: string, container: string, wanted: ConnectContainer) => {
        await session.withKlee((klee) => klee.networks.connect(network, container, wanted));
        return 0;
      }),
    );
}

/** Adds `disconnect`: take a container out of a network. */
export function disconnect(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("take a container out of a network; while it runs, at once")
    .argument("<network>", NAMES)
    .argument("<container>", NAMES)
    .action(
      session.action(async (network: string, container: string) => {
        await session.withKlee((klee) => klee.networks.disconnect(network, container));
        return 0;
      }),
    );
}

/** Adds `rules`: what the firewall enforces. */
export function rules(parent: Command, name: string, session: Session): void {
  const command = parent
    .command(name)
    .description("print klee's firewall rules, commented: as nft or pf.conf text, or the model they are made from")
    .argument("[network]", `${NAMES} (default: all)`);
  addFormatOption(command, ["text", "json"]).action(
    session.action(async (network: string | undefined, { format }: { readonly format: string }) => {
      const found = await session.look((klee) => klee.networks.rules(network));
      if (format === "json") session.print(formatJson(found.policy));
      else session.context.streams.write(1, found.text);
      return 0;
    }),
  );
}
