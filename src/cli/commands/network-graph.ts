import type { Command } from "commander";
import type { GraphFormat } from "../graph/draw.ts";
import type { Session } from "../session.ts";
import { addFormatOption } from "./options.ts";

/** Adds `graph`: a picture of networks. */
export function graph(parent: Command, name: string, session: Session): void {
  const command = parent
    .command(name)
    .description("print networks, their containers, addresses and published ports as a picture")
    .argument("[networks...]", "names, ids or unique starts of ids (default: all)");
  addFormatOption(command, ["tree", "dot", "svg", "mermaid"])
    .addHelpText("after", "\nExamples:\n  klee network graph\n  klee network graph --format svg testnet > testnet.svg")
    .action(
      session.action(async (references: string[], { format }: { readonly format: GraphFormat }) => {
        const topology = await session.look((klee) => klee.networks.topology(references));
        const { draw } = await import("../graph/draw.ts");
        session.context.streams.write(1, draw(format, topology));
        return 0;
      }),
    );
}
