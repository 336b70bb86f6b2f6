import { existsSync, mkdirSync, rmSync } from "node:fs";
import * as mount from "../../../ffi/freebsd/mount.ts";
import * as zfs from "../../../ffi/freebsd/zfs.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import { LeftOut } from "../../image/left-out.ts";
import type { Making } from "../../image/metadata.ts";
import type { ImageSource, NetworkAccess, ResolverFile, RootFilesystem, Storage, VolumeOrigin } from "../host.ts";
import { directoryInside } from "../inside.ts";
import { resolverText } from "../resolver-file.ts";
import {
  build,
  makeDirectory,
  type ObjectKind,
  place,
  placed,
  refill,
  remove,
  unfinished,
  unheard,
} from "../store-directories.ts";
import { makeDataset, makeWithin, parentDataset, removeDatasets, SNAPSHOT } from "./datasets.ts";
import { freebsdFiles } from "./files.ts";
import { mountpointsBelow, unmountAll, unmountOne } from "./mounts.ts";
import { forwardersOf } from "./unbound.ts";

const RESOLVER_FILES = ["/etc/resolv.conf"];
const UNBOUND_FORWARDERS = "/var/unbound/forward.conf";
const isDataset = (name: string): boolean => !name.startsWith("/");

/**
 * Images and containers as ZFS datasets, a container's a clone of its image's: `POOL/klee/image/ID`,
 * `POOL/klee/container/ID`, mounted in the store's directories while they are used. Where the store is on no ZFS, they are
 * directories, a container's a copy of its image's.
 */
export class FreebsdStorage implements Storage {
  /** By the store's directory, which is in use: its file system stays. */
  readonly #parents = new Map<string, string | undefined>();

  /** Images made by this object that are systems: what starts one is there. */
  readonly #systems = new Set<string>();

  #parentOf(root: string): string | undefined {
    if (!this.#parents.has(root)) this.#parents.set(root, parentDataset(root));
    return this.#parents.get(root);
  }

  /** The dataset of an image, container or volume; undefined where the store is on no ZFS. */
  #nameOf(root: string, kind: "image" | "container" | "volume", id: string): string | undefined {
    const parent = this.#parentOf(root);
    return parent === undefined ? undefined : `${parent}/${kind}/${id}`;
  }

  async createImage(root: string, imageId: string, source: ImageSource, warn = unheard): Promise<string> {
    const parent = this.#parentOf(root);
    const { method } = source;
    const look = (files: string): void => {
      if (existsSync(`${files}${RC}`)) this.#systems.add(imageId);
    };
    if (method === "zfs-clone") return cloneImage(root, parent, imageId, source.source ?? "", look);
    const filling = filler(method, source.source, parent, imageId, warn);
    const fill: Fill = async (files) => {
      await filling(files);
      if (source.localtime) (await import("../../image/localtime.ts")).copyLocaltime(files);
      look(files);
    };
    if (parent === undefined) {
      await inDirectory(root, "images", imageId, fill);
      return filesOf(root, "images", imageId);
    }
    const dataset = `${parent}/image/${imageId}`;
    await inDataset(root, "images", imageId, dataset, () => makeDataset(dataset), fill);
    attempt(`cannot make image ${imageId}`, () => zfs.createSnapshots([`${dataset}@${SNAPSHOT}`]));
    return dataset;
  }

  /** rc(8), as a host's init(8) starts a system; a shell where there is none. */
  usualCommand(imageId: string): readonly string[] {
    return this.#systems.has(imageId) ? ["/bin/sh", RC] : ["/bin/sh"];
  }

  async removeImage(root: string, imageId: string): Promise<void> {
    await removeObject(root, "images", imageId, this.#nameOf(root, "image", imageId));
  }

  exists(dataset: string): boolean {
    return isDataset(dataset) ? zfs.datasetExists(dataset) : existsSync(dataset);
  }

  containers(root: string): string[] {
    return placed(root, "containers");
  }

  containerDataset(root: string, containerId: string): string {
    return this.#nameOf(root, "container", containerId) ?? `${place(root, "containers", containerId)}/root`;
  }

  async createContainer(root: string, containerId: string, imageDataset: string): Promise<void> {
    const dataset = this.containerDataset(root, containerId);
    if (!isDataset(dataset)) {
      if (isDataset(imageDataset))
        throw new KleeError("UNSUPPORTED", `the image is the dataset ${imageDataset}, but the store is on no ZFS`);
      await inDirectory(root, "containers", containerId, (files) => copy(imageDataset, files));
      return;
    }
    if (isDataset(imageDataset)) {
      const parent = dataset.slice(0, dataset.lastIndexOf("/"));
      const clone = () =>
        makeWithin(parent, () => zfs.cloneDataset(`${imageDataset}@${SNAPSHOT}`, dataset, { mountpoint: "none" }));
      await inDataset(root, "containers", containerId, dataset, clone, () => Promise.resolve());
    } else {
      await inDataset(
        root,
        "containers",
        containerId,
        dataset,
        () => makeDataset(dataset),
        (files) => copy(imageDataset, files),
      );
    }
  }

  async removeContainer(root: string, containerId: string): Promise<void> {
    await removeObject(root, "containers", containerId, this.#nameOf(root, "container", containerId));
  }

  async createVolume(root: string, volumeId: string): Promise<{ dataset: string; mountpoint: string }> {
    const mountpoint = filesOf(root, "volumes", volumeId);
    const dataset = this.#nameOf(root, "volume", volumeId) ?? mountpoint;
    const nothing: Fill = () => Promise.resolve();
    if (isDataset(dataset)) await inDataset(root, "volumes", volumeId, dataset, () => makeDataset(dataset), nothing);
    else await inDirectory(root, "volumes", volumeId, nothing);
    return { dataset, mountpoint };
  }

  /** A dataset stays mounted until the volume is removed, or the host boots. */
  openVolume(root: string, volumeId: string, dataset: string): void {
    const files = filesOf(root, "volumes", volumeId);
    if (!isDataset(dataset) || mountpointsBelow(files).includes(files)) return;
    attempt(`cannot mount ${dataset}`, () => mount.mountZfs(dataset, files));
  }

  async fillVolume(root: string, volumeId: string, { containerId, destination }: VolumeOrigin): Promise<void> {
    const { kind, mountpoint } = this.rootOf(root, containerId);
    const copyFrom = async (): Promise<void> => {
      const source = directoryInside(mountpoint, destination);
      if (source !== undefined) await refill(filesOf(root, "volumes", volumeId), source, freebsdFiles);
    };
    if (kind === "directory") return copyFrom();
    const dataset = this.containerDataset(root, containerId);
    attempt(`cannot mount ${dataset}`, () => mount.mountZfs(dataset, mountpoint, true));
    try {
      await copyFrom();
    } finally {
      await unmountOne(mountpoint);
    }
  }

  async removeVolume(root: string, volumeId: string): Promise<void> {
    await removeObject(root, "volumes", volumeId, this.#nameOf(root, "volume", volumeId));
  }

  resolver(root: string, containerId: string, access: NetworkAccess): ResolverFile {
    const found = resolverText(RESOLVER_FILES, access);
    const record = `${place(root, "containers", containerId)}/resolv.conf`;
    // local_unbound(8) listens on 127.0.0.1; it says itself whom it asks.
    const text = found.nameservers > 0 ? undefined : forwardersOf(UNBOUND_FORWARDERS);
    return text === undefined ? { ...found, record } : { ...text, record };
  }

  rootOf(root: string, containerId: string): RootFilesystem {
    const dataset = this.containerDataset(root, containerId);
    const mountpoint = filesOf(root, "containers", containerId);
    return isDataset(dataset) ? { kind: "dataset", dataset, mountpoint } : { kind: "directory", mountpoint };
  }
}

/** Where the files of an image or container are, mounted or not. */
const filesOf = (root: string, kind: ObjectKind, id: string): string => `${place(root, kind, id)}/root`;

/** Where it is in an image. */
const RC = "/etc/rc";

/**
 * Makes an image of a dataset that takes no space: a clone, with which the snapshot that it is of goes.
 * @param look is shown its files.
 */
async function cloneImage(
  root: string,
  parent: string | undefined,
  imageId: string,
  source: string,
  look: (files: string) => void,
): Promise<string> {
  if (parent === undefined || !isSamePool(source, parent))
    throw new KleeError("UNSUPPORTED", `${source} is not in the pool of the store; use the 'zfs-copy' method`);
  const dataset = `${parent}/image/${imageId}`;
  attempt(`cannot clone dataset ${source}`, () => {
    if (!zfs.datasetExists(`${parent}/image`)) makeDataset(`${parent}/image`);
    makePassingClone(source, dataset);
    zfs.createSnapshots([`${dataset}@${SNAPSHOT}`]);
  });
  const files = filesOf(root, "images", imageId);
  try {
    mkdirSync(files, { recursive: true, mode: 0o700 });
    attempt(`cannot mount ${dataset}`, () => mount.mountZfs(dataset, files, true));
    look(files);
  } finally {
    await unmountAll(files);
  }
  return dataset;
}

/** Fills an empty directory with an image's files. */
type Fill = (files: string) => Promise<void>;

/** @throws {KleeError} before anything is made, for a method that FreeBSD does not have. */
function filler(
  method: Exclude<ImageSource["method"], "zfs-clone">,
  source: string | undefined,
  parent: string | undefined,
  imageId: string,
  warn: (line: string) => void,
): Fill {
  if (method === "host")
    throw new KleeError(
      "UNSUPPORTED",
      "the 'host' method is Linux's; on FreeBSD make an image of a base system: klee image create tar base.txz",
    );
  if (source === undefined) throw new KleeError("INVALID", `the '${method}' method needs a source`);
  switch (method) {
    case "tar":
      return (files) =>
        making(warn, async (making) => (await import("../../image/archive.ts")).unpackArchive(source, files, making));
    case "dir":
      return (files) => copy(source, files, warn);
    case "zfs-copy":
      return (files) => copyDataset(source, files, passingClone(source, parent, imageId), warn);
  }
}

/** @param warn takes a line for each kind of thing that is not copied. */
function copy(source: string, files: string, warn = unheard): Promise<void> {
  return making(warn, async (making) =>
    (await import("../../image/directory.ts")).copyDirectory(source, files, making),
  );
}

async function making(warn: (line: string) => void, fill: (making: Making) => Promise<void>): Promise<void> {
  const leftOut = new LeftOut();
  await fill({ files: freebsdFiles, leftOut });
  for (const line of leftOut.lines()) warn(line);
}

/** Name of the clone that an image is copied from: among klee's own, in the pool of its source. */
const passingClone = (source: string, parent: string | undefined, imageId: string): string =>
  parent !== undefined && isSamePool(source, parent)
    ? `${parent}/image/${imageId}.source`
    : `${source.split("/")[0]}/klee-${imageId}`;

const isSamePool = (one: string, other: string): boolean => one.split("/")[0] === other.split("/")[0];

/** Copies the files of a dataset as they are at one moment, mounted or not: those of a clone, which goes afterwards. */
async function copyDataset(source: string, files: string, clone: string, warn: (line: string) => void): Promise<void> {
  const directory = `${files}.source`;
  attempt(`cannot read dataset ${source}`, () => makePassingClone(source, clone));
  try {
    makeDirectory(directory, 0o700);
    attempt(`cannot read dataset ${source}`, () => mount.mountZfs(clone, directory, true));
    await copy(directory, files, warn);
  } finally {
    await unmountAll(directory);
    rmSync(directory, { recursive: true, force: true });
    attempt(`cannot remove the clone ${clone}`, () => removeDatasets([clone]));
  }
}

/** Makes a clone of a dataset as it is now, with which the snapshot that it is of goes. */
function makePassingClone(source: string, clone: string): void {
  const snapshot = `${source}@${clone.replaceAll("/", "-")}`;
  zfs.createSnapshots([snapshot]);
  try {
    zfs.cloneDataset(snapshot, clone, { mountpoint: "none" });
  } finally {
    zfs.destroySnapshots([snapshot], { deferred: true });
  }
}

function inDirectory(root: string, kind: ObjectKind, id: string, fill: Fill): Promise<void> {
  return build(place(root, kind, id), unfinished(root, kind, id), mountpointsBelow, async (directory) => {
    makeDirectory(`${directory}/root`, 0o755);
    await fill(`${directory}/root`);
  });
}

/** Makes a dataset and fills it, mounted for that time; leaves nothing when that fails. */
async function inDataset(
  root: string,
  kind: ObjectKind,
  id: string,
  dataset: string,
  make: () => void,
  fill: Fill,
): Promise<void> {
  const files = filesOf(root, kind, id);
  attempt(`cannot make ${dataset}`, make);
  try {
    await inDirectory(root, kind, id, () => Promise.resolve());
    attempt(`cannot mount ${dataset}`, () => mount.mountZfs(dataset, files));
    await fill(files);
    await unmountOne(files);
  } catch (error) {
    await unmountAll(files);
    remove(place(root, kind, id), mountpointsBelow);
    attempt(`cannot remove ${dataset}`, () => removeDatasets([dataset]));
    throw error;
  }
}

/** Whatever form it has; nothing there is no error. */
async function removeObject(root: string, kind: ObjectKind, id: string, dataset: string | undefined): Promise<void> {
  const directories = [unfinished(root, kind, id), place(root, kind, id)];
  for (const directory of directories) await unmountAll(directory);
  if (dataset !== undefined)
    attempt(`cannot remove ${dataset}`, () => {
      removeDatasets([dataset, `${dataset}.source`]);
    });
  for (const directory of directories) remove(directory, mountpointsBelow);
}

function attempt(what: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw hostFailure(what, error);
  }
}
