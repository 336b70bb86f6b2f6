import { chmodSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { hostFailure, KleeError, messageOf } from "../errors.ts";
import { LeftOut } from "../image/left-out.ts";
import type { Making } from "../image/metadata.ts";
import { removeTree } from "../image/removal.ts";

export type ObjectKind = "images" | "containers" | "volumes";

/** Ids become names of directories that are removed with all they hold, so nothing else passes. */
export function place(root: string, kind: ObjectKind, id: string): string {
  if (!/^[0-9a-zA-Z]+$/.test(id)) throw new KleeError("INVALID", `malformed id ${JSON.stringify(id)}`);
  return `${root}/${kind}/${id}`;
}

/** What there is of a kind, by id. */
export function placed(root: string, kind: ObjectKind): string[] {
  const directory = `${root}/${kind}`;
  return existsSync(directory) ? readdirSync(directory).filter((name) => /^[0-9a-zA-Z]+$/.test(name)) : [];
}

export function unfinished(root: string, kind: ObjectKind, id: string): string {
  return place(root, kind, id).replace(/[^/]+$/, ".tmp-$&");
}

/** Fills a new directory and gives it its name; or leaves nothing. Only root reaches it. */
export async function build(
  path: string,
  temporary: string,
  mountpointsBelow: MountpointsBelow,
  fill: (directory: string) => Promise<void>,
): Promise<void> {
  try {
    mkdirSync(path.replace(/[^/]+$/, ""), { recursive: true, mode: 0o700 });
    makeDirectory(temporary, 0o700);
    await fill(temporary);
    renameSync(temporary, path);
  } catch (error) {
    const failure = hostFailure(`cannot make ${path}`, error);
    try {
      remove(temporary, mountpointsBelow);
    } catch (removalError) {
      throw new KleeError("HOST", `${failure.message}; then ${messageOf(removalError)}`, { cause: error });
    }
    throw failure;
  }
}

/** Mode as given, whatever the umask. */
export function makeDirectory(path: string, mode: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
}

/** Mount points at or below a path. */
export type MountpointsBelow = (path: string) => string[];

/** Removes a directory of the store, unless something is mounted in it: then nothing is removed. */
export function remove(path: string, mountpointsBelow: MountpointsBelow): void {
  try {
    if (!existsSync(path)) return;
    const mounted = mountpointsBelow(realpathSync(path));
    if (mounted.length > 0)
      throw new KleeError("HOST", `cannot remove ${path}: ${mounted[0]} is still mounted; unmount it first`);
    removeTree(path);
  } catch (error) {
    throw hostFailure(`cannot remove ${path}`, error);
  }
}

/** Gives a directory of klee's alone what another one has, in place of all there is. What cannot be kept is left out. */
export async function refill(directory: string, source: string, files: Making["files"]): Promise<void> {
  for (const name of readdirSync(directory)) rmSync(`${directory}/${name}`, { recursive: true, force: true });
  try {
    const { copyTree } = await import("../image/directory.ts");
    await copyTree(source, directory, { files, leftOut: new LeftOut() });
  } catch (error) {
    throw hostFailure(`cannot copy ${source} into the volume`, error);
  }
}

/** For a line that nobody waits for. */
export const unheard = (_line: string): void => undefined;
