import { existsSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { KleeError } from "../errors.ts";
import type { Mountpoint } from "../model.ts";
import type { Statements } from "../store/store.ts";
import { volumeByName } from "../volume/rows.ts";

/**
 * Reads `SRC:DST[:rw|ro]`, where SRC is a path of the host or the name of a volume.
 * @throws {KleeError} INVALID.
 */
export function parseMount(containerId: string, mount: string): Mountpoint {
  const refuse = (why: string): KleeError =>
    new KleeError("INVALID", `invalid mount format '${printable(mount)}': ${why}`);
  // No path has one, and the kernel would read a shorter path.
  if (mount.includes("\0")) throw new KleeError("INVALID", "invalid mount format: a NUL is in it");
  const parts = mount.split(":");
  if (parts.length > 3) throw refuse("at most 3 elements separated by ':'");
  if (parts.length < 2) throw refuse("at least 2 elements separated by ':'");
  const [source = "", destination = "", mode = "rw"] = parts;
  if (mode !== "rw" && mode !== "ro") throw refuse("the last element is either 'ro' or 'rw'");
  const isPath = source.startsWith("/");
  if (!isPath && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(source))
    throw refuse("the source must be an absolute path on the host, or the name of a volume");
  if (!destination.startsWith("/")) throw refuse("the destination must be an absolute path in the container");
  const inside = posix.normalize(destination);
  if (inside === "/") throw refuse("the destination cannot be the container's root");
  return {
    container_id: containerId,
    destination: inside.replace(/\/$/, ""),
    read_only: mode === "ro",
    source: isPath ? posix.normalize(source) : source,
    type: isPath ? "nullfs" : "volume",
  };
}

/** As JSON writes it, without the quotes: nothing in it moves a terminal's cursor. */
const printable = (text: string): string => JSON.stringify(text).slice(1, -1);

const ofHost = ({ type }: Mountpoint): boolean => type === "nullfs";

/** Two mounts on one destination would hide one of them. */
export function refuseRepeated(mounts: readonly Mountpoint[]): void {
  const seen = new Set<string>();
  for (const { destination } of mounts) {
    if (seen.has(destination)) throw new KleeError("INVALID", `two mounts have the destination ${destination}`);
    seen.add(destination);
  }
}

/**
 * Whoever sees the store sees the files, logs and variables of all containers.
 * @param root the store's directory.
 * @throws {KleeError} INVALID for a mount of the store, or of what it lies in.
 */
export function refuseStore(root: string, mounts: readonly Mountpoint[]): void {
  const real = (path: string): string => (existsSync(path) ? realpathSync(path) : path);
  const store = `${real(root)}/`;
  for (const { source } of mounts.filter(ofHost)) {
    const mounted = `${real(source)}/`.replace("//", "/");
    if (store.startsWith(mounted) || mounted.startsWith(store))
      throw new KleeError("INVALID", `klee's store cannot be mounted: ${printable(source)} and ${root} overlap`);
  }
}

/** @throws {KleeError} NOT_FOUND for a source that is not there: it is never made. */
export function requireSources(mounts: readonly Mountpoint[]): void {
  for (const { source } of mounts.filter(ofHost))
    if (!existsSync(source))
      throw new KleeError("NOT_FOUND", `cannot mount ${printable(source)}: the host has no such file or directory`);
}

export async function insertMounts(statements: Statements, mounts: readonly Mountpoint[]): Promise<void> {
  for (const mount of mounts)
    await statements.run(
      "INSERT INTO mountpoint (container_id, destination, source, read_only, volume) VALUES (?, ?, ?, ?, ?)",
      mount.container_id,
      mount.destination,
      mount.source,
      Number(mount.read_only),
      mount.type === "volume" ? (await volumeByName(statements, mount.source)).id : null,
    );
}
