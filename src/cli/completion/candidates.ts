import type { Command, Option } from "commander";
import { driverNames } from "../../kleene/network/drivers/table.ts";
import type { Klee } from "../domain.ts";

/** One word that may stand at the cursor. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** Gives the domain's objects; asked only when a name is to be completed. */
export type AskKlee = (use: (klee: Klee) => Promise<readonly Candidate[]>) => Promise<readonly Candidate[]>;

/**
 * The words that may stand at the cursor.
 *
 * @param words what was typed after `klee`, the last one being the word at the cursor, possibly empty.
 * @returns nothing where file names or a foreign command line are due.
 */
export async function candidates(
  program: Command,
  words: readonly string[],
  askKlee: AskKlee,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? "";
  const { command, operands, pending } = position(program, words.slice(0, -1));
  const found = await expected(command, operands, pending, current, askKlee);
  return found.filter(({ word }) => word.startsWith(current));
}

interface Position {
  readonly command: Command;
  /** How many operands of the command stand before the cursor. */
  readonly operands: number;
  /** The option whose value is at the cursor. */
  readonly pending: Option | undefined;
}

/** Follows the words down the command tree. */
function position(program: Command, words: readonly string[]): Position {
  let command = program;
  let operands = 0;
  let pending: Option | undefined;
  for (const word of words) {
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith("-") && word !== "-") pending = optionAwaitingValue(command, word);
    else {
      const child = operands === 0 ? command.commands.find((candidate) => candidate.name() === word) : undefined;
      if (child === undefined) operands++;
      else command = child;
    }
  }
  return { command, operands, pending };
}

/** `-n`, `-itn` and `--network` are followed by a value; `--network=x` and `-nx` have it already. */
function optionAwaitingValue(command: Command, word: string): Option | undefined {
  if (word.startsWith("--")) return command.options.find(({ long, required }) => long === word && required);
  for (let at = 1; at < word.length; at++) {
    const option = command.options.find(({ short }) => short === `-${word[at]}`);
    if (option?.required) return at === word.length - 1 ? option : undefined;
  }
  return undefined;
}

async function expected(
  command: Command,
  operands: number,
  pending: Option | undefined,
  current: string,
  askKlee: AskKlee,
): Promise<readonly Candidate[]> {
  if (pending !== undefined) return values(placeholderOf(pending.flags), pending.argChoices, askKlee);
  const endOfOptions = operands > 0 && takesForeignCommand(command);
  if (current.startsWith("-") && !endOfOptions) return optionsOf(command);
  if (command.commands.length > 0) return subcommandsOf(command);
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[operands] ?? (last?.variadic ? last : undefined);
  return argument === undefined ? [] : values(argument.name(), argument.argChoices, askKlee);
}

/** Does what follows the first operand belong to a command in the container? */
function takesForeignCommand(command: Command): boolean {
  return command.registeredArguments.some((argument) => argument.name() === "command");
}

function subcommandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((child) => ({ word: child.name(), description: child.description() }));
}

function optionsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ word: long ?? short ?? "", description }));
}

/** `network` of `-n, --network <network>` */
function placeholderOf(flags: string): string {
  return /<(.*)>/.exec(flags)?.[1] ?? "";
}

/** The values that the command line's own placeholder stands for. */
async function values(
  placeholder: string,
  choices: readonly string[] | undefined,
  askKlee: AskKlee,
): Promise<readonly Candidate[]> {
  if (choices !== undefined) return choices.map(plain);
  switch (placeholder) {
    case "container":
    case "containers":
      return askKlee(async ({ containers }) =>
        (await containers.list({ all: true })).map(({ name, image, status }) => ({
          word: name,
          description: `${image}, ${status}`,
        })),
      );
    case "network":
    case "networks":
      return askKlee(async ({ networks }) =>
        (await networks.list()).map(({ name, subnet, subnet6 }) => ({ word: name, description: subnet || subnet6 })),
      );
    case "image":
    case "images":
      return askKlee(async ({ images }) =>
        (await images.list()).map(({ id, name, tag }) => ({
          word: name === "" ? id : `${name}:${tag}`,
          description: id,
        })),
      );
    case "objects":
      return (
        await Promise.all(
          ["containers", "images", "networks", "volumes"].map((noun) => values(noun, undefined, askKlee)),
        )
      ).flat();
    case "volume":
    case "volumes":
      return askKlee(async ({ volumes }) => (await volumes.list()).map(({ name }) => plain(name)));
    case "bool":
      return ["true", "false"].map(plain);
    case "driver":
      return driverNames.map(plain);
    case "policy":
      return ["no", "on-startup", "on-failure", "always"].map(plain);
    case "type":
      return ["loopback", "bridge", "custom"].map(plain);
    default:
      return [];
  }
}

function plain(word: string): Candidate {
  return { word, description: "" };
}
