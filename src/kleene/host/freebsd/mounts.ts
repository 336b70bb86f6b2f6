import { statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { SyscallError } from "../../../ffi/errno.ts";
import * as devfs from "../../../ffi/freebsd/devfs.ts";
import * as mount from "../../../ffi/freebsd/mount.ts";
import { KleeError } from "../../errors.ts";
import type { Mountpoint } from "../../model.ts";
import type { JailParameters, JailSpec } from "../host.ts";
import { placeInside } from "../inside.ts";
import { writeResolver } from "../resolver-file.ts";

/** What devfs(8) names devfsrules_jail: hides all but what programs need. */
export const JAIL_RULESET = 4;
/** How long processes that were killed may take to leave a file system, in milliseconds. */
const LEAVING_MS = 2000;
const RETRY_MS = 10;

/** Mount points at or below a path, in the order in which they were mounted. */
export function mountpointsBelow(path: string): string[] {
  return mount
    .mounts()
    .map((one) => one.path)
    .filter((mountpoint) => mountpoint === path || mountpoint.startsWith(`${path}/`));
}

/** Mounts a container's root, its devices and what else it asks for. The caller unmounts after a failure. */
export function mountAll(
  { root, mounts, resolver }: Pick<JailSpec, "root" | "mounts" | "resolver">,
  ruleset: number | undefined,
): void {
  const { mountpoint } = root;
  if (root.kind === "dataset") mount.mountZfs(root.dataset, mountpoint);
  writeResolver(mountpoint, resolver);
  if (ruleset !== undefined) {
    requireRuleset(ruleset);
    mount.mountDevfs(placeInside(mountpoint, "/dev", "directory"), ruleset);
  }
  for (const { source, destination, read_only } of mounts) {
    const kind = statSync(source).isDirectory() ? "directory" : "file";
    const place = placeInside(mountpoint, destination, kind, (inside) => {
      if (ruleset !== undefined) refuseDevices(inside, destination);
    });
    mount.mountNullfs(source, place, read_only);
  }
}

/**
 * Mounts of klee's own are devfs(5) alone, and nothing can be made in that.
 * @throws {KleeError} INVALID for a destination that would be hidden, or have no mount point.
 */
export function checkMounts(mounts: readonly Mountpoint[], { mountDevfs }: JailParameters): void {
  if (mountDevfs) for (const { destination } of mounts) refuseDevices(destination, destination);
}

/** @param place of the container that the destination leads to. */
function refuseDevices(place: string, destination: string): void {
  if (place === "/dev" || place.startsWith("/dev/"))
    throw new KleeError(
      "INVALID",
      `cannot mount on ${destination}: /dev is devfs there, in which nothing can be made; name another place, or give -J mount.devfs=false`,
    );
}

/** A ruleset that is not loaded hides nothing: the container would have the host's disks. */
function requireRuleset(ruleset: number): void {
  if (ruleset === 0 || devfs.hasDevfsRuleset(ruleset)) return;
  throw new KleeError(
    "UNSUPPORTED",
    `devfs ruleset ${ruleset} is not loaded, so the container would see every device; run 'service devfs start'`,
  );
}

/** Unmounts all at and below a path, the last one first. Nothing mounted is no error. */
export async function unmountAll(path: string): Promise<void> {
  const deadline = Date.now() + LEAVING_MS;
  for (const mountpoint of mountpointsBelow(path).reverse()) await unmountOne(mountpoint, deadline);
}

/** Unmounts what is mounted at a path; by force, from the deadline on. Nothing mounted is no error. */
export async function unmountOne(mountpoint: string, deadline = Date.now() + LEAVING_MS): Promise<void> {
  while (!tryUnmount(mountpoint, Date.now() >= deadline)) await setTimeout(RETRY_MS);
}

/** False while a process that was killed is still in it. */
function tryUnmount(mountpoint: string, force: boolean): boolean {
  try {
    mount.unmount(mountpoint, { force });
    return true;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // Another klee has unmounted it meanwhile.
    if (error.code === "EINVAL" || error.code === "ENOENT") return true;
    if (error.code === "EBUSY" && !force) return false;
    throw error;
  }
}
