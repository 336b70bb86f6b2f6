import { setTimeout } from "node:timers/promises";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { allNetworks } from "../network/rows.ts";
import { strayAddresses } from "./aliases.ts";
import { busyObjects, cutOffOperations, endedContainers } from "./ended.ts";

/** Longer than a supervisor needs to call klee. */
const SECOND_LOOK_MS = 500;

/** What does not agree, one line each; changes nothing. */
export async function findProblems(context: Context): Promise<string[]> {
  const first = await lookForProblems(context);
  if (first.length === 0) return first;
  // A container whose last process has just ended is taken down in a moment, and other commands are at work.
  await setTimeout(SECOND_LOOK_MS);
  const second = new Set(await lookForProblems(context));
  return first.filter((problem) => second.has(problem));
}

async function lookForProblems(context: Context): Promise<string[]> {
  const looks = [missingRequirements, interruptions, missingInterfaces, endsUnnoticed, strayAddresses, missingRules];
  const problems: string[] = [];
  for (const look of looks) {
    try {
      problems.push(...(await look(context)));
    } catch (error) {
      // What keeps one thing from being looked at is a problem itself, and often the cause of others.
      problems.push(messageOf(error));
    }
  }
  return [...new Set(problems)];
}

async function missingRequirements({ host }: Context): Promise<string[]> {
  host.checkSystem();
  return [];
}

async function interruptions(context: Context): Promise<string[]> {
  return (await cutOffOperations(context)).map(({ kind, object }) => `interrupted: ${kind} ${object}`);
}

async function missingInterfaces({ store, host }: Context): Promise<string[]> {
  const owners = new Map(host.interfaces.list().map(({ name, networkId }) => [name, networkId]));
  return (await allNetworks(store))
    .filter(({ id, type, interface: name }) => (type === "custom" ? !owners.has(name) : owners.get(name) !== id))
    .map((network) => `network ${network.name}: its interface ${network.interface} is missing`);
}

async function endsUnnoticed(context: Context): Promise<string[]> {
  const ended = await endedContainers(context);
  const busy = await busyObjects(context);
  return ended
    .filter(({ id }) => !busy.has(id))
    .map(({ id, name }) => `container ${name} (${id}) ended but was not taken down`);
}

async function missingRules({ store, host }: Context): Promise<string[]> {
  // Asked for without networks as well: it tells whether the host has a firewall that klee can use.
  const loaded = host.firewall.loaded();
  const networks = await allNetworks(store);
  return networks.length > 0 && !loaded ? ["klee's firewall rules are not loaded"] : [];
}
