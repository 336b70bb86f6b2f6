import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { isErrno } from "../../../ffi/errno.ts";
import * as mount from "../../../ffi/freebsd/mount.ts";
import * as zfs from "../../../ffi/freebsd/zfs.ts";

/** Names the dataset below which klee's are; empty: none, files lie in directories of the store. */
const SETTING = "KLEE_ZFS";
/** Name of klee's dataset in the pool that holds the store. */
const OWN_NAME = "klee";
/** What images are cloned from, as the original names it. */
export const SNAPSHOT = "image";

/** The dataset that klee's datasets are made in, or undefined where the store is on no ZFS. */
export function parentDataset(root: string): string | undefined {
  const setting = process.env[SETTING];
  if (setting !== undefined) return setting === "" ? undefined : setting;
  let place = root;
  while (!existsSync(place)) place = dirname(place);
  const { type, source } = mount.mountOf(place);
  return type === "zfs" ? `${source.split("/")[0]}/${OWN_NAME}` : undefined;
}

/** Makes a dataset and those above it. None of them is mounted by itself. */
export function makeDataset(name: string): void {
  const parts = name.split("/");
  zfs.withZfs(() => {
    for (let depth = 2; depth <= parts.length; depth++) {
      const dataset = parts.slice(0, depth).join("/");
      const isLast = depth === parts.length;
      if (!isLast && zfs.datasetExists(dataset)) continue;
      unless("EEXIST", !isLast, () => zfs.createDataset(dataset, { mountpoint: "none" }));
    }
  });
}

/** Makes a dataset by `make`; where what it lies in is missing, that first. */
export function makeWithin(parent: string, make: () => void): void {
  zfs.withZfs(() => {
    try {
      make();
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      makeDataset(parent);
      make();
    }
  });
}

/** Destroys datasets and the snapshots that klee made of them. One that is gone is no error. */
export function removeDatasets(names: readonly string[]): void {
  zfs.withZfs(() => {
    for (const name of names) {
      unless("ENOENT", true, () => zfs.destroySnapshots([`${name}@${SNAPSHOT}`]));
      unless("ENOENT", true, () => zfs.destroyDataset(name));
    }
  });
}

/** Runs `act`; an error of this code is none, where it is tolerated. */
function unless(code: string, tolerated: boolean, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(tolerated && isErrno(error, code))) throw error;
  }
}
