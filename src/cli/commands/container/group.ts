import { type CommandTable, group, shortcut } from "../table.ts";
import { attach } from "./attach.ts";
import { create, run } from "./create.ts";
import { kill, prune, remove, rename, restart, stop, wait } from "./lifecycle.ts";
import { inspect, list } from "./listing.ts";
import { logs } from "./logs.ts";
import { port } from "./port.ts";
import { exec, start } from "./start.ts";
import { stats } from "./stats.ts";
import { top } from "./top.ts";
import { update } from "./update.ts";

const running: CommandTable = { create, run, start, stop, restart, kill, wait, exec, attach };
const watching: CommandTable = { logs, top, stats };

/** `klee container` and its shortcuts. */
export const containerCommands: CommandTable = {
  container: group("containers and the commands in them", {
    ...running,
    inspect,
    ls: list,
    ...watching,
    rm: remove,
    rename,
    update,
    port,
    prune,
  }),
  ...shortcuts({ ...running, ...watching, ps: list, port, rename, isc: inspect, lsc: list, rmc: remove }),
};

function shortcuts(table: CommandTable): CommandTable {
  return Object.fromEntries(Object.entries(table).map(([name, register]) => [name, shortcut(register)]));
}
