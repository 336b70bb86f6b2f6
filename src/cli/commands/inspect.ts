import { type Command, Option } from "commander";
import { KleeError } from "../../kleene/errors.ts";
import type { Klee } from "../domain.ts";
import { formatJson } from "../io/json.ts";
import type { Session } from "../session.ts";
import { forEach } from "./several.ts";
import type { CommandTable } from "./table.ts";

/** What can be inspected, in the order in which a name is looked for. */
const nouns = {
  container: (klee: Klee, reference: string) => klee.containers.inspect(reference),
  image: (klee: Klee, reference: string) => klee.images.inspect(reference),
  network: (klee: Klee, reference: string) => klee.networks.inspect(reference),
  volume: (klee: Klee, reference: string) => klee.volumes.inspect(reference),
} as const satisfies Readonly<Record<string, (klee: Klee, reference: string) => Promise<unknown>>>;

type Noun = keyof typeof nouns;

/** `klee inspect`: any object, whatever it is. */
export const inspectCommands: CommandTable = { inspect: inspectAny };

function inspectAny(parent: Command, name: string, session: Session): void {
  parent
    .command(name)
    .description("print containers, images, networks or volumes as JSON, whichever has the name")
    .argument("<objects...>", "names, ids or unique starts of ids")
    .addOption(new Option("--type <noun>", "look for this alone").choices(Object.keys(nouns)))
    .action(
      session.action((references: string[], { type }: { readonly type?: Noun }) =>
        session.look((klee) =>
          forEach(session, references, async (reference) => {
            session.print(formatJson(await find(klee, reference, type)));
          }),
        ),
      ),
    );
}

/** @throws {KleeError} NOT_FOUND when nothing is called so. */
async function find(klee: Klee, reference: string, type: Noun | undefined): Promise<unknown> {
  for (const noun of type === undefined ? (Object.keys(nouns) as Noun[]) : [type]) {
    try {
      return await nouns[noun](klee, reference);
    } catch (error) {
      if (!(error instanceof KleeError && error.code === "NOT_FOUND")) throw error;
    }
  }
  throw new KleeError("NOT_FOUND", `no such ${type ?? "container, image, network or volume"}: ${reference}`);
}
