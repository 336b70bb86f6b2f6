import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { Refusal } from "./refusal.ts";

const REMEDY = "give the archive of a root file system, as 'docker export' or 'podman export' makes it of a container";
/** What of docker's manifest is looked at: it begins with the first image's configuration. */
const MANIFEST_BYTES = 4096;

/**
 * Refuses what is a container tool's archive of images, not a root file system: it would make an image in which nothing
 * runs.
 * @param directory the tree as it was unpacked or copied, which only root can reach.
 * @throws {Refusal} that names the format.
 */
export function refuseLayouts(directory: string): void {
  if (startOf(`${directory}/oci-layout`)?.includes('"imageLayoutVersion"'))
    throw new Refusal(`an OCI image layout, which klee does not read: ${REMEDY}`);
  const manifest = startOf(`${directory}/manifest.json`);
  if (manifest !== undefined && /^\s*\[\s*\{/.test(manifest) && /"(Config|RepoTags|Layers)"\s*:/.test(manifest))
    throw new Refusal(`an archive of 'docker save', which klee does not read: ${REMEDY}`);
}

/** The beginning of a file, not through a link; undefined when there is none. */
function startOf(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const bytes = Buffer.alloc(MANIFEST_BYTES);
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
