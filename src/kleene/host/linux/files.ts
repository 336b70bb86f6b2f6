import { fstatSync } from "node:fs";
import { SyscallError } from "../../../ffi/errno.ts";
import * as file from "../../../ffi/linux/file.ts";
import * as mount from "../../../ffi/linux/mount.ts";
import { type Files, type Found, kindOf } from "../files.ts";

/**
 * What a file has besides its bytes that matters in a container: notes of users, capabilities(7) and access lists. The
 * overlay's own attributes (overlayfs.rst) and labels of this host's security modules must not come from an image.
 */
const KEPT = /^(user\.(?!overlay\.).+|security\.capability|system\.posix_acl_(access|default))$/;

/** Whose files come from the kernel. */
const KERNELS = [
  "proc",
  "sysfs",
  "devpts",
  "cgroup",
  "cgroup2",
  "bpf",
  "debugfs",
  "tracefs",
  "securityfs",
  "pstore",
  "efivarfs",
  "selinuxfs",
  "binfmt_misc",
] as const;

/** The file calls of Linux. */
export const linuxFiles: Files = {
  openDirectory: file.openDirectory,
  entries: (directory) => file.namesIn(directory).map((name) => ({ name })),
  find(directory, { name }): Found {
    const held = file.hold(directory, name);
    try {
      const stats = fstatSync(held.number, { bigint: true });
      const kind = kindOf(stats);
      if (kind === "link") {
        const { uid, gid, mtimeNs } = stats;
        return { kind, link: { target: file.targetOf(held), uid: Number(uid), gid: Number(gid), mtime: mtimeNs } };
      }
      return kind === "file" || kind === "directory" ? { kind, open: file.openHeld(held) } : { kind };
    } finally {
      held.close();
    }
  },
  isKernels: (directory) => KERNELS.some((kind) => mount.isOnFileSystem(`/proc/self/fd/${directory.number}`, kind)),
  nextData: file.nextData,
  copyRange: (from, to, offset, length) => orElse(0, () => file.copyRange(from, to, offset, length)),
  attributeNames: file.attributeNames,
  attribute: file.attribute,
  keepsAttribute: (name) => KEPT.test(name),
  setAttribute: (path, name, value) =>
    orElse(false, () => {
      file.setAttribute(path, name, value);
      return true;
    }),
  setTime: file.setTimes,
};

function orElse<T>(fallback: T, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof SyscallError) return fallback;
    throw error;
  }
}
