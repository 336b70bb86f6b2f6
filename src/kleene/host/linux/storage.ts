import { existsSync, readFileSync, realpathSync } from "node:fs";
import * as mount from "../../../ffi/linux/mount.ts";
import { KleeError } from "../../errors.ts";
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
import { DEFAULT_ROOT } from "./default-root.ts";
import { linuxFiles } from "./files.ts";
import { hideSecrets } from "./secrets.ts";

/**
 * Where the first names only the host's loopback addresses: what systemd-resolved(8), NetworkManager(8) and dnsmasq(8)
 * by resolvconf(8) ask themselves.
 */
const RESOLVER_FILES = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
  "/run/dnsmasq/resolv.conf",
];

/** The dataset of the image that is the running system. */
const RUNNING_SYSTEM = "/";

/**
 * Images and containers as directories of the store, joined by overlayfs (Documentation/filesystems/overlayfs.rst):
 * `images/ID/root` holds an image's files, `containers/ID` a container's own layer. The image of the running system has
 * no files of its own: its dataset is `/`, of which containers do not see what is secret. Everything is built under another name and renamed when it is complete.
 */
export class LinuxStorage implements Storage {
  readonly #resolverFiles: readonly string[];

  /** @param resolverFiles resolv.conf(5) files, best first; a container gets the first one with a name server left. */
  constructor(resolverFiles: readonly string[] = RESOLVER_FILES) {
    this.#resolverFiles = resolverFiles;
  }

  async createImage(root: string, imageId: string, source: ImageSource, warn = unheard): Promise<string> {
    if (source.method === "host") return RUNNING_SYSTEM;
    if (source.source === undefined) throw new KleeError("INVALID", `the '${source.method}' method needs a source`);
    const { method, source: path } = source;
    if (method !== "tar" && method !== "dir")
      throw new KleeError("UNSUPPORTED", `the '${method}' method is FreeBSD's; on Linux use host, tar or dir`);
    await fill(root, "images", imageId, async (directory) => {
      const files = `${directory}/root`;
      makeDirectory(files, 0o755);
      // Loaded on demand: most commands make no image.
      const making: Making = { files: linuxFiles, leftOut: new LeftOut() };
      if (method === "tar") await (await import("../../image/archive.ts")).unpackArchive(path, files, making);
      else await (await import("../../image/directory.ts")).copyDirectory(path, files, making);
      if (source.localtime) (await import("../../image/localtime.ts")).copyLocaltime(files);
      for (const line of making.leftOut.lines()) warn(line);
    });
    return `${place(root, "images", imageId)}/root`;
  }

  usualCommand(): readonly string[] {
    return ["/bin/sh"];
  }

  async removeImage(root: string, imageId: string): Promise<void> {
    removeBoth(root, "images", imageId);
  }

  exists(dataset: string): boolean {
    return existsSync(dataset);
  }

  containers(root: string): string[] {
    return placed(root, "containers");
  }

  containerDataset(root: string, containerId: string): string {
    return place(root, "containers", containerId);
  }

  async createContainer(root: string, containerId: string, imageDataset: string): Promise<void> {
    await fill(root, "containers", containerId, async (directory) => {
      // overlayfs.rst: an overlay cannot be the upper layer of another one.
      if (mount.isOnFileSystem(directory, "overlay"))
        throw new KleeError(
          "UNSUPPORTED",
          `the store ${root} is on an overlay, which cannot hold a container's layer; keep it on another file system: --root or KLEE_ROOT`,
        );
      for (const name of ["upper", "work", "root"]) makeDirectory(`${directory}/${name}`, 0o755);
      if (imageDataset !== RUNNING_SYSTEM) return;
      const stores = [DEFAULT_ROOT, root].filter((store) => existsSync(store)).map((store) => realpathSync(store));
      hideSecrets(`${directory}/upper`, stores);
    });
  }

  async removeContainer(root: string, containerId: string): Promise<void> {
    removeBoth(root, "containers", containerId);
  }

  async createVolume(root: string, volumeId: string): Promise<{ dataset: string; mountpoint: string }> {
    await fill(root, "volumes", volumeId, async (directory) => makeDirectory(`${directory}/root`, 0o755));
    const files = filesOf(root, volumeId);
    return { dataset: files, mountpoint: files };
  }

  openVolume(): void {
    // Directories are always there.
  }

  async fillVolume(root: string, volumeId: string, { imageDataset, destination }: VolumeOrigin): Promise<void> {
    // Of the running system a container does not see all: what is secret must not come in by a copy.
    const source = imageDataset === RUNNING_SYSTEM ? undefined : directoryInside(imageDataset, destination);
    if (source !== undefined) await refill(filesOf(root, volumeId), source, linuxFiles);
  }

  async removeVolume(root: string, volumeId: string): Promise<void> {
    removeBoth(root, "volumes", volumeId);
  }

  resolver(root: string, containerId: string, access: NetworkAccess): ResolverFile {
    const record = `${this.containerDataset(root, containerId)}/resolv.conf`;
    return { ...resolverText(this.#resolverFiles, access), record };
  }

  rootOf(root: string, containerId: string, imageDataset: string): RootFilesystem {
    const dataset = this.containerDataset(root, containerId);
    return {
      kind: "overlay",
      lower: [imageDataset],
      upper: `${dataset}/upper`,
      work: `${dataset}/work`,
      mountpoint: `${dataset}/root`,
    };
  }
}

/** Where a volume's files are. */
const filesOf = (root: string, volumeId: string): string => `${place(root, "volumes", volumeId)}/root`;

function fill(root: string, kind: ObjectKind, id: string, work: (directory: string) => Promise<void>): Promise<void> {
  return build(place(root, kind, id), unfinished(root, kind, id), mountpointsBelow, work);
}

function removeBoth(root: string, kind: ObjectKind, id: string): void {
  remove(unfinished(root, kind, id), mountpointsBelow);
  remove(place(root, kind, id), mountpointsBelow);
}

/** Mount points at or below a path. A bind mount of the same file system shows in this table only (proc(5), mountinfo). */
function mountpointsBelow(path: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((mountpoint) => mountpoint === path || mountpoint.startsWith(`${path}/`));
}
