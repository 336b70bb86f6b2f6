import { existsSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { KleeError } from "../../errors.ts";

/**
 * The place of a container's path below its root, made as a directory (or as an empty file) where it is missing. The
 * kernel mounts on the path as the host sees it, so a symbolic link on the way could lead anywhere: it is refused.
 *
 * @param root of the container, which nobody else changes meanwhile: the container is not started yet.
 * @throws {KleeError} INVALID for a link on the way, or a file where a directory is needed.
 */
export function placeInside(root: string, path: string, kind: "directory" | "file"): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new KleeError("INVALID", `${path}: ".." is not allowed`);
  let place = root;
  for (const [index, part] of parts.entries()) {
    place = `${place}/${part}`;
    const wanted = index === parts.length - 1 ? kind : "directory";
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (stats === undefined) make(place, wanted);
    else if (stats.isSymbolicLink())
      throw new KleeError("INVALID", `${path}: ${part} is a symbolic link in the container; name its target`);
    else if (stats.isDirectory() !== (wanted === "directory"))
      throw new KleeError(
        "INVALID",
        `${path}: ${part} is ${stats.isDirectory() ? "a" : "no"} directory in the container`,
      );
  }
  return place;
}

function make(place: string, kind: "directory" | "file"): void {
  if (kind === "directory") mkdirSync(place, 0o755);
  else writeFileSync(place, "", { flag: "wx", mode: 0o644 });
}

/** Is there a directory, and no link, at this path of a container's files? */
export function hasDirectory(root: string, name: string): boolean {
  return existsSync(`${root}/${name}`) && lstatSync(`${root}/${name}`).isDirectory();
}
