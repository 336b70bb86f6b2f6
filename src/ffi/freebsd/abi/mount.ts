import { bytes, cString, i64, struct, u32, u64 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/param.h", "sys/ucred.h", "sys/mount.h"] as const;

export const MNT_RDONLY = 0x1;
export const MNT_NOEXEC = 0x4;
export const MNT_NOSUID = 0x8;
/** Not shown by df(1) and mount(8) by default. */
export const MNT_IGNORE = 0x800000;
/** Change the options of what is mounted. */
export const MNT_UPDATE = 0x10000;
/** Unmount though files are open. */
export const MNT_FORCE = 0x80000;
/** getfsstat(2) does not ask the file systems, it tells what is known. */
export const MNT_NOWAIT = 2;
export const MFSNAMELEN = 16;
export const MNAMELEN = 1024;
export const STATFS_VERSION = 0x20140518;

/** A mounted file system. */
export const statfs = struct("struct statfs", "sys/mount.h", 2344, {
  f_version: [0, u32],
  f_type: [4, u32],
  f_flags: [8, u64],
  f_bsize: [16, u64],
  f_blocks: [32, u64],
  f_bfree: [40, u64],
  f_bavail: [48, i64],
  f_fsid: [192, bytes(8)],
  f_fstypename: [280, cString(MFSNAMELEN)],
  f_mntfromname: [296, cString(MNAMELEN)],
  f_mntonname: [1320, cString(MNAMELEN)],
});
