import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  statSync,
} from "node:fs";
import { KleeError } from "../errors.ts";
import { codeOf, storeFailure } from "./failure.ts";

/**
 * SQLite creates files with the umask's mode: make the directory and the file first, closed to all but the owner. What
 * somebody else could have put there, or could exchange meanwhile, is not used. A file that is there is not opened:
 * closing it again would drop the locks that another store of this process has on it (fcntl(2), F_SETLK).
 *
 * @param look nothing is to be written, so that a read-only file system will do.
 */
export function prepareFiles(root: string, path: string, look: boolean): "read only" | "writable" {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // With a slash at the end lstat(2) would follow a link.
    refuseForeign(root, lstatSync(root.replace(/(?<=.)\/+$/, "")));
    const stats = lstatSync(path, { throwIfNoEntry: false }) ?? makeFile(path);
    refuseForeign(path, stats);
    if (!stats.isFile()) throw new KleeError("HOST", `the store ${path} is no file`);
    // On a read-only file system SQLite would only say that it cannot open the file.
    const readOnly = isReadOnly(path);
    if (readOnly && !look) throw readOnlyStore(path);
    if (!readOnly && (stats.mode & 0o777) !== 0o600) chmodSync(path, 0o600);
    return readOnly ? "read only" : "writable";
  } catch (error) {
    if (error instanceof KleeError) throw error;
    throw storeFailure(path, error);
  }
}

function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    if (codeOf(error) === "EROFS") return true;
    throw error;
  }
}

const readOnlyStore = (path: string): KleeError =>
  new KleeError("HOST", `the store ${path} is on a read-only file system, and this command changes it`);

/** Has the database a log that is not in it yet? */
export const hasLog = (path: string): boolean => (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;

/** Another klee may make it first: SQLite leaves an empty file to the first one that writes. */
function makeFile(path: string): Stats {
  closeSync(openSync(path, "a", 0o600));
  return lstatSync(path);
}

/** @throws {KleeError} when it is a link, another user owns it, or may write to it. */
function refuseForeign(path: string, stats: Stats): void {
  if (stats.isSymbolicLink())
    throw new KleeError("HOST", `the store ${path} is a symbolic link; klee does not follow it`);
  if (stats.uid !== process.geteuid?.())
    throw new KleeError("PERMISSION", `${path} belongs to user ${stats.uid}, not to root: chown it, if it is klee's`);
  if ((stats.mode & 0o022) !== 0) {
    const mode = stats.isDirectory() ? "700" : "600";
    throw new KleeError("PERMISSION", `${path} can be written by others than root: chmod ${mode} it`);
  }
}
