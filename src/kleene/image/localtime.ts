import { closeSync, constants, lstatSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";

const HOSTS = "/etc/localtime";

/**
 * Gives an image the host's time zone, in place of its own: tzset(3). Nothing happens where the host has none, or the image
 * no directory for it; no link in the image is followed.
 *
 * @param files the image's root.
 */
export function copyLocaltime(files: string): void {
  const rules = ownRules();
  if (rules === undefined || !lstatSync(`${files}/etc`, { throwIfNoEntry: false })?.isDirectory()) return;
  const path = `${files}/etc/localtime`;
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present?.isDirectory()) return;
  if (present !== undefined) unlinkSync(path);
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o444);
  try {
    writeSync(fd, rules);
  } finally {
    closeSync(fd);
  }
}

function ownRules(): Buffer | undefined {
  try {
    return readFileSync(HOSTS);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
