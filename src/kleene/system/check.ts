import { setTimeout } from "node:timers/promises";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { renamedInterfaces } from "../network/followed.ts";
import { allNetworks } from "../network/rows.ts";
import { strayAddresses } from "./aliases.ts";
import { busyObjects, cutOffOperations, endedContainers } from "./ended.ts";
import { unfollowed } from "./interfaces.ts";
import { currentPolicy } from "./rules.ts";
import { strays } from "./strays.ts";

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
  const looks = [
    missingRequirements,
    interruptions,
    missingInterfaces,
    unfollowed,
    endsUnnoticed,
    strayAddresses,
    strays,
    missingRules,
  ];
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
  const interfaces = host.interfaces.list();
  const owners = new Map(interfaces.map(({ name, networkId }) => [name, networkId]));
  // Of those that have another name it is told elsewhere.
  const renamed = new Set((await renamedInterfaces({ store, host }, interfaces)).map(({ from }) => from));
  return (await allNetworks(store))
    .filter((network) => !renamed.has(network.interface))
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

async function missingRules(context: Context): Promise<string[]> {
  const { store, host } = context;
  // Asked for without networks as well: it tells whether the host has a firewall that klee can use.
  const loaded = host.firewall.loaded();
  if ((await allNetworks(store)).length === 0) return [];
  if (!loaded) return ["klee's firewall rules are not loaded"];
  // What is under way has its rows before its rules, or the other way round.
  if ((await busyObjects(context)).size > 0 || host.firewall.agrees(await currentPolicy(context))) return [];
  return [
    "klee's firewall rules are not those that its networks and containers need; klee system reconcile loads them",
  ];
}
