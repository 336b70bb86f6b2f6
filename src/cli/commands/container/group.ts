import type { Command } from "commander";
import type { Session } from "../../session.ts";
import { addShortcut } from "../shortcuts.ts";
import { create, run } from "./create.ts";
import { kill, prune, remove, rename, restart, stop, wait } from "./lifecycle.ts";
import { inspect, list } from "./listing.ts";
import { logs } from "./logs.ts";
import { port } from "./port.ts";
import { exec, start } from "./start.ts";
import { stats } from "./stats.ts";
import { top } from "./top.ts";

/** Adds `klee container` and its shortcuts. */
export function registerContainer(program: Command, session: Session): void {
  const group = program.command("container").description("containers and the commands in them");
  group.enablePositionalOptions().helpCommand(false);
  for (const [name, register] of Object.entries({ create, run, start, stop, restart, kill, wait, exec })) {
    register(group, name, session);
    addShortcut(program, name, register, session);
  }
  inspect(group, "inspect", session);
  list(group, "ls", session);
  logs(group, "logs", session);
  top(group, "top", session);
  stats(group, "stats", session);
  remove(group, "rm", session);
  rename(group, session);
  port(group, session);
  prune(group, session);
  addShortcut(program, "logs", logs, session);
  addShortcut(program, "top", top, session);
  addShortcut(program, "stats", stats, session);
  addShortcut(program, "isc", inspect, session);
  addShortcut(program, "lsc", list, session);
  addShortcut(program, "rmc", remove, session);
}
