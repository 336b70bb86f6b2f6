import { fstatSync } from "node:fs";
import { isErrno, SyscallError } from "../../../ffi/errno.ts";
import * as file from "../../../ffi/freebsd/file.ts";
import { retry } from "../../../ffi/retry.ts";
import { type FileKind, type Files, type Found, kindOf, type NamedEntry, type OpenFile } from "../files.ts";

const USER = "user.";
/** Whose files come from the kernel. */
const KERNELS = ["devfs", "procfs", "fdescfs", "linprocfs", "linsysfs", "mqueuefs"];

/** The file calls of FreeBSD. */
export const freebsdFiles: Files = {
  openDirectory: file.openDirectory,
  entries: (directory) => file.entriesIn(directory).map(({ name, type }) => ({ name, kind: kinds[type] })),
  find,
  isKernels: (directory) => KERNELS.includes(file.fileSystemOf(directory.number)),
  nextData: file.nextData,
  copyRange: (from, to, offset, length) => orElse(0, () => file.copyRange(from, to, offset, length)),
  attributeNames: (fd) => [
    ...file.attributeNames(fd, "user").map((name) => USER + name),
    ...orElse([], () => file.attributeNames(fd, "system")).map((name) => `system.${name}`),
  ],
  attribute: (fd, name) => file.attribute(fd, "user", name.slice(USER.length)),
  keepsAttribute: (name) => name.startsWith(USER) && name.length > USER.length,
  setAttribute: (path, name, value) =>
    orElse(false, () => {
      file.setAttribute(path, "user", name.slice(USER.length), value);
      return true;
    }),
  setTime: file.setTimes,
};

/** By `d_type`. */
const kinds: Readonly<Record<number, FileKind>> = {
  [file.DT_FIFO]: "FIFO",
  [file.DT_CHR]: "device",
  [file.DT_BLK]: "device",
  [file.DT_DIR]: "directory",
  [file.DT_REG]: "file",
  [file.DT_LNK]: "link",
  [file.DT_SOCK]: "socket",
};

/** How often a name is looked at that is a link for one call and none for the next: somebody exchanges it. */
const LOOKS = 100;

function find(directory: OpenFile, entry: NamedEntry): Found {
  let known: NamedEntry = entry;
  const isNoLink = (error: unknown): boolean => {
    known = { name: entry.name };
    return isErrno(error, "EINVAL") && error.call === "readlinkat";
  };
  return retry(LOOKS, isNoLink, () => look(directory, known));
}

/** What opening might wait for, or do something to, is not opened where the directory tells that it is such. */
function look(directory: OpenFile, { name, kind }: NamedEntry): Found {
  if (kind === "link") return { kind, link: file.linkIn(directory, name) };
  if (kind !== undefined && kind !== "file" && kind !== "directory") return { kind };
  let open: OpenFile;
  try {
    open = file.openIn(directory, name);
  } catch (error) {
    if (isErrno(error, "EMLINK")) return { kind: "link", link: file.linkIn(directory, name) };
    throw error;
  }
  const found = kindOf(fstatSync(open.number, { bigint: true }));
  if (found === "file" || found === "directory") return { kind: found, open };
  open[Symbol.dispose]();
  // No link is ever opened.
  return { kind: found === "link" ? "device" : found };
}

function orElse<T>(fallback: T, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof SyscallError) return fallback;
    throw error;
  }
}
