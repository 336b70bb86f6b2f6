import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { containerResolver } from "../../container/resolver.ts";
import { hostFailure, KleeError, messageOf } from "../../errors.ts";
import { removeTree } from "../../image/removal.ts";
import type { ImageSource, RootFilesystem, Storage } from "../host.ts";

/** The second is what systemd-resolved(8) asks itself, where the first names only its loopback address. */
const RESOLVER_FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/**
 * Images and containers as directories of the store, joined by overlayfs (Documentation/filesystems/overlayfs.rst):
 * `images/ID/root` holds an image's files, `containers/ID` a container's own layer. The image of the running system has
 * no files of its own: its dataset is `/`. Everything is built under another name and renamed when it is complete.
 */
export class LinuxStorage implements Storage {
  readonly #resolverFiles: readonly string[];

  /** @param resolverFiles resolv.conf(5) files, best first; a container gets the first one with a name server left. */
  constructor(resolverFiles: readonly string[] = RESOLVER_FILES) {
    this.#resolverFiles = resolverFiles;
  }

  async createImage(root: string, imageId: string, source: ImageSource): Promise<string> {
    if (source.method === "host") return "/";
    if (source.source === undefined) throw new KleeError("INVALID", `the '${source.method}' method needs a source`);
    const { method, source: path } = source;
    await build(place(root, "images", imageId), unfinished(root, "images", imageId), async (directory) => {
      const files = `${directory}/root`;
      makeDirectory(files, 0o755);
      // Loaded on demand: most commands make no image.
      if (method === "tar") await (await import("../../image/archive.ts")).unpackArchive(path, files);
      else await (await import("../../image/directory.ts")).copyDirectory(path, files);
    });
    return `${place(root, "images", imageId)}/root`;
  }

  async removeImage(root: string, imageId: string): Promise<void> {
    remove(unfinished(root, "images", imageId));
    remove(place(root, "images", imageId));
  }

  containerDataset(root: string, containerId: string): string {
    return place(root, "containers", containerId);
  }

  async createContainer(root: string, containerId: string): Promise<void> {
    const resolver = this.#resolver();
    await build(place(root, "containers", containerId), unfinished(root, "containers", containerId), (directory) => {
      for (const name of ["upper", "work", "root"]) makeDirectory(`${directory}/${name}`, 0o755);
      if (resolver !== undefined) {
        const etc = `${directory}/upper/etc`;
        makeDirectory(etc, 0o755);
        writeFileSync(`${etc}/resolv.conf`, resolver);
        chmodSync(`${etc}/resolv.conf`, 0o644);
      }
      return Promise.resolve();
    });
  }

  async removeContainer(root: string, containerId: string): Promise<void> {
    remove(unfinished(root, "containers", containerId));
    remove(place(root, "containers", containerId));
  }

  rootOf(root: string, containerId: string, imageDataset: string): RootFilesystem {
    const dataset = this.containerDataset(root, containerId);
    return {
      lower: [imageDataset],
      upper: `${dataset}/upper`,
      work: `${dataset}/work`,
      mountpoint: `${dataset}/root`,
    };
  }

  /** Text of a container's resolv.conf(5); undefined, so that the image's own stays, when the host has none. */
  #resolver(): string | undefined {
    let fallback: string | undefined;
    for (const path of this.#resolverFiles) {
      if (!existsSync(path)) continue;
      const { text, nameservers } = containerResolver(readFileSync(path, "utf8"));
      if (nameservers > 0) return text;
      fallback ??= text;
    }
    return fallback;
  }
}

/** Ids become names of directories that are removed with all they hold, so nothing else passes. */
function place(root: string, kind: "images" | "containers", id: string): string {
  if (!/^[0-9a-zA-Z]+$/.test(id)) throw new KleeError("INVALID", `malformed id ${JSON.stringify(id)}`);
  return `${root}/${kind}/${id}`;
}

function unfinished(root: string, kind: "images" | "containers", id: string): string {
  return place(root, kind, id).replace(/[^/]+$/, ".tmp-$&");
}

/** Fills a new directory and gives it its name; or leaves nothing. Only root reaches it. */
async function build(path: string, temporary: string, fill: (directory: string) => Promise<void>): Promise<void> {
  try {
    mkdirSync(path.replace(/[^/]+$/, ""), { recursive: true, mode: 0o700 });
    makeDirectory(temporary, 0o700);
    await fill(temporary);
    renameSync(temporary, path);
  } catch (error) {
    const failure = hostFailure(`cannot make ${path}`, error);
    try {
      remove(temporary);
    } catch (removalError) {
      throw new KleeError("HOST", `${failure.message}; then ${messageOf(removalError)}`, { cause: error });
    }
    throw failure;
  }
}

/** Mode as given, whatever the umask. */
function makeDirectory(path: string, mode: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
}

/** Removes a directory of the store, unless something is mounted in it: then nothing is removed. */
function remove(path: string): void {
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

/** Mount points at or below a path. A bind mount of the same file system shows in this table only (proc(5), mountinfo). */
function mountpointsBelow(path: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((mountpoint) => mountpoint === path || mountpoint.startsWith(`${path}/`));
}
