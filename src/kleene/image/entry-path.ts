import { Refusal } from "./refusal.ts";

/** Longest file name, in bytes: NAME_MAX, limits.h. */
const COMPONENT_BYTES = 255;
/** Longest path, in bytes: PATH_MAX less the final NUL, linux/limits.h. A system that takes less refuses it by itself. */
const PATH_BYTES = 4095;

/**
 * The place in the image that an archive means by a name: components joined by `/`, none of them `.`; empty for the
 * root itself. Names are strings of one character for each byte, since a file name has bytes and no encoding.
 *
 * @param name as in the archive.
 * @param what names the entry in messages.
 * @throws {Refusal} for a name that is empty or absolute, has a NUL or `..`, or is longer than a file system takes.
 */
export function entryPath(name: string, what: string): string {
  if (name === "") throw new Refusal(`${what} has an empty name`);
  if (name.includes("\0")) throw new Refusal(`${what} has a NUL in its name`);
  if (name.startsWith("/")) throw new Refusal(`${what} has an absolute path`);
  if (climbs(name)) throw new Refusal(`${what} leads outside the image`);
  if (name.length > PATH_BYTES) throw new Refusal(`${what} has a path of more than ${PATH_BYTES} bytes`);
  const components = name.split("/").filter((component) => component !== "" && component !== ".");
  if (components.includes("..")) throw new Refusal(`${what} has ".." in its path`);
  if (components.some((component) => component.length > COMPONENT_BYTES))
    throw new Refusal(`${what} has a name of more than ${COMPONENT_BYTES} bytes`);
  return components.join("/");
}

/**
 * Checks where a symbolic link of the image points. Absolute targets, and those that climb above the root, are normal in
 * a root file system: they are resolved in the container, whose root has nothing above it. klee follows none.
 *
 * @throws {Refusal} when no file system takes the target.
 */
export function checkLinkTarget(target: string, what: string): void {
  if (target === "") throw new Refusal(`${what} is a symbolic link to nothing`);
  if (target.includes("\0")) throw new Refusal(`${what} is a symbolic link to a name with a NUL`);
  if (target.length > PATH_BYTES)
    throw new Refusal(`${what} is a symbolic link to a path of more than ${PATH_BYTES} bytes`);
}

/** Does a relative path pass above where it begins? */
function climbs(path: string): boolean {
  let level = 0;
  for (const component of path.split("/")) {
    if (component === "..") level--;
    else if (component !== "" && component !== ".") level++;
    if (level < 0) return true;
  }
  return false;
}
