import type { Hook, ProgramDefinition } from "../../../../ffi/linux/bpf/index.ts";
import { bind4, bind6 } from "./bind.ts";
import { connect4, connect6, send4, send6 } from "./connect.ts";
import { listen, lookup } from "./listeners.ts";
import type { ConfinementMaps } from "./maps.ts";
import { egress, ingress } from "./packet.ts";
import { create, option, release } from "./socket.ts";
import { reachUnix } from "./unix.ts";
import type { UnixAddress } from "./unix-address.ts";

/**
 * Raised with every change of what the programs and maps mean: a klee of another version must neither take these
 * programs for its own nor add its own beside them.
 */
const VERSION = 8;

/** Programs of any version. */
const anyVersion = /^klee\d+_/;

const nameOf = (hook: Hook): string => `klee${VERSION}_${hook}`;

type Builder = (maps: ConfinementMaps, level: number) => Buffer;

const builders: Readonly<Partial<Record<Hook, Builder>>> = {
  create,
  release,
  bind4,
  bind6,
  connect4,
  connect6,
  send4,
  send6,
  ingress,
  egress,
  setOption: option,
  tcpEvent: listen,
};

/** Hooks of the parent cgroup that every kernel has, in the order in which they get their programs. */
export const cgroupHooks = Object.keys(builders) as Hook[];

/** The programs that make a cgroup behave as a jail with its own addresses. */
export function cgroupPrograms(maps: ConfinementMaps, level: number): ProgramDefinition[] {
  return Object.entries(builders).map(([hook, build]) => ({
    name: nameOf(hook as Hook),
    hook: hook as Hook,
    instructions: build(maps, level),
  }));
}

/** Those for hooks that not every kernel has. */
export function unixPrograms(maps: ConfinementMaps, level: number, address: UnixAddress): ProgramDefinition[] {
  const instructions = reachUnix(maps, level, address);
  return (["connectUn", "sendUn"] as const).map((hook) => ({ name: nameOf(hook), hook, instructions }));
}

/** The program of a network namespace that brings connections to wildcard listeners. */
export function lookupProgram(maps: ConfinementMaps, namespace: bigint): ProgramDefinition {
  return { name: nameOf("lookup"), hook: "lookup", instructions: lookup(maps, namespace) };
}

/** Is a program with this name klee's, of this version or of another? */
export function recognise(name: string, hook: Hook): "own" | "other" | undefined {
  if (name === nameOf(hook)) return "own";
  return anyVersion.test(name) ? "other" : undefined;
}
