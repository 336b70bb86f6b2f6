import { isErrno } from "../../../../ffi/errno.ts";
import * as bpf from "../../../../ffi/linux/bpf/index.ts";
import {
  cgroupId,
  hasChildren,
  makeCgroup,
  openCgroup,
  pathOfOpen,
  removeCgroup,
  tryLockCgroup,
} from "../../../../ffi/linux/cgroup.ts";
import type { Fd } from "../../../../ffi/linux/fd.ts";
import { KleeError } from "../../../errors.ts";
import { waitForLock } from "./lock.ts";
import { type ConfinementMaps, closeMaps, createMaps, openMaps } from "./maps.ts";
import { cgroupHooks, cgroupPrograms, recognise, unixPrograms } from "./programs.ts";
import { findUnixAddress } from "./unix-address.ts";

/** The parent cgroup, open, with klee's programs on it, and their maps. */
export class Attachment implements Disposable {
  readonly cgroup: Fd;
  readonly maps: ConfinementMaps;

  constructor(cgroup: Fd, maps: ConfinementMaps) {
    this.cgroup = cgroup;
    this.maps = maps;
  }

  /** Path of the parent, which leads nowhere once it was removed, even if there is another one in its place. */
  get path(): string {
    return pathOfOpen(this.cgroup);
  }

  [Symbol.dispose](): void {
    closeMaps(this.maps);
    this.cgroup.close();
  }
}

/** How often a cgroup is made whose parent others remove meanwhile, with their last container. */
export const PARENT_TRIES = 100;

/**
 * Finds the programs on the parent cgroup, with their maps; makes the cgroup, the programs and the maps when they are
 * not there. Whoever makes them holds the directory's lock, so any number of processes end up with one set.
 *
 * @param level depth of a container's cgroup below the root of the hierarchy.
 * @param cache see {@link findUnixAddress}.
 * @throws {KleeError} CONFLICT when containers of another version of klee run.
 */
export function attach(parent: string, level: number, cache?: string): Attachment {
  for (;;) {
    makeCgroup(parent);
    const cgroup = openCgroup(parent);
    if (cgroup === undefined) continue;
    try {
      const attachment = attachTo(cgroup, parent, level, cache);
      if (attachment !== undefined) return attachment;
      cgroup.close();
    } catch (error) {
      cgroup.close();
      throw error;
    }
  }
}

/** The programs on the parent cgroup, with their maps, if they are there and of this version. */
export function findAttachment(parent: string): Attachment | undefined {
  const cgroup = openCgroup(parent);
  if (cgroup === undefined) return undefined;
  try {
    const maps = attachedMaps(cgroup);
    if (maps !== undefined) return new Attachment(cgroup, maps);
  } catch (error) {
    cgroup.close();
    throw error;
  }
  cgroup.close();
  return undefined;
}

/** Undefined when the cgroup has gone meanwhile. */
function attachTo(cgroup: Fd, parent: string, level: number, cache?: string): Attachment | undefined {
  const found = attachedMaps(cgroup);
  if (found !== undefined) return new Attachment(cgroup, found);
  // Of a description of its own, since the lock belongs to the description and the cgroup stays open.
  using lock = openCgroup(parent) ?? null;
  if (lock === null) return undefined;
  waitForLock(lock);
  if (!isStillAt(cgroup, parent)) return undefined;
  const meanwhile = attachedMaps(cgroup);
  if (meanwhile !== undefined) return new Attachment(cgroup, meanwhile);
  if (hasPrograms(cgroup)) {
    // Of another version, or of a process that died half-way. They go with the cgroup.
    if (removeCgroup(parent)) return undefined;
    throw new KleeError("CONFLICT", `containers of another version of klee run in ${parent}: stop them first`);
  }
  try {
    return new Attachment(cgroup, attachAll(cgroup, level, cache));
  } catch (error) {
    removeCgroup(parent);
    throw error;
  }
}

/**
 * Removes the parent cgroup, and the programs with it, if there is no container in it and nobody is about to make one.
 *
 * @returns false when it is still there.
 */
export function detach(parent: string): boolean {
  // Who makes a container makes its directory, and who ends one removes that first: the last one to look finds none.
  if (hasChildren(parent)) return false;
  using cgroup = openCgroup(parent) ?? null;
  if (cgroup === null) return true;
  if (!tryLockCgroup(cgroup)) return false;
  // Once locked, the cgroup at this path is removed by nobody else; but one that has gone can be locked as well.
  return isStillAt(cgroup, parent) && removeCgroup(parent);
}

/** A cgroup may be removed, and made anew by another process, between its opening and its locking. */
function isStillAt(cgroup: Fd, path: string): boolean {
  return cgroupId(pathOfOpen(cgroup)) === cgroupId(path);
}

/** The maps behind the programs; undefined unless all are there, of this version. */
function attachedMaps(cgroup: Fd): ConfinementMaps | undefined {
  // The last one attached tells that the others are there.
  const last = cgroupHooks.at(-1);
  const seen = last === undefined ? undefined : ownProgram(cgroup, last);
  if (seen === undefined) return undefined;
  const rest = ownProgram(cgroup, "bind4");
  return rest && openMaps([...rest.mapIds, ...seen.mapIds]);
}

function ownProgram(cgroup: Fd, hook: bpf.Hook): bpf.ProgramInfo | undefined {
  return programsOf(cgroup, hook).find(({ name }) => recognise(name, hook) === "own");
}

function hasPrograms(cgroup: Fd): boolean {
  return cgroupHooks.some((hook) => programsOf(cgroup, hook).some(({ name }) => recognise(name, hook) !== undefined));
}

function programsOf(cgroup: Fd, hook: bpf.Hook): bpf.ProgramInfo[] {
  return bpf.queryPrograms(cgroup, hook).flatMap((id) => {
    using program = bpf.openProgram(id) ?? null;
    return program === null ? [] : [bpf.programInfo(program)];
  });
}

function attachAll(cgroup: Fd, level: number, cache?: string): ConfinementMaps {
  const maps = createMaps();
  try {
    attachUnix(cgroup, maps, level, cache);
    for (const definition of cgroupPrograms(maps, level)) {
      using program = bpf.loadProgram(definition);
      bpf.attachProgram(cgroup, program, definition.hook);
    }
    return maps;
  } catch (error) {
    closeMaps(maps);
    throw error;
  }
}

/** An older kernel refuses such programs: unix sockets without a file are reached there. */
function attachUnix(cgroup: Fd, maps: ConfinementMaps, level: number, cache?: string): void {
  const address = findUnixAddress(cache);
  if (address === undefined) return;
  for (const definition of unixPrograms(maps, level, address)) {
    using program = loadIfKnown(definition) ?? null;
    if (program === null) return;
    bpf.attachProgram(cgroup, program, definition.hook);
  }
}

function loadIfKnown(definition: bpf.ProgramDefinition): Fd | undefined {
  try {
    return bpf.loadProgram(definition);
  } catch (error) {
    if (isErrno(error, "EINVAL", "EACCES")) return undefined;
    throw error;
  }
}
