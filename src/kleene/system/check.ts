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
  const { store, host } = context;
  const problems: string[] = [];
  try {
    host.checkSystem();
  } catch (error) {
    problems.push(messageOf(error));
  }
  for (const { kind, object } of await cutOffOperations(context)) problems.push(`interrupted: ${kind} ${object}`);
  const networks = await allNetworks(store);
  const owners = new Map(host.interfaces.list().map(({ name, networkId }) => [name, networkId]));
  for (const network of networks)
    if (network.type === "custom" ? !owners.has(network.interface) : owners.get(network.interface) !== network.id)
      problems.push(`network ${network.name}: its interface ${network.interface} is missing`);
  const busy = await busyObjects(context);
  for (const { id, name } of await endedContainers(context))
    if (!busy.has(id)) problems.push(`container ${name} (${id}) ended but was not taken down`);
  problems.push(...(await strayAddresses(context)));
  if (networks.length > 0 && !host.firewall.loaded()) problems.push("klee's firewall rules are not loaded");
  return problems;
}
