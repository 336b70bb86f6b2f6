import { ioctl, iow, iowr } from "../../ioc.ts";
import { cString, i32, struct, u16, u32 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/ioccom.h", "sys/queue.h", "fs/devfs/devfs.h"] as const;

export const DEVFS_MAGIC = 0xdb0a087a;
export const DEVFS_MAXPTRNLEN = 200;
/** The rule looks at the path. */
export const DRC_PATHPTRN = 0x2;
/** The rule hides or shows. */
export const DRA_BACTS = 0x1;
/** The rule runs another ruleset. */
export const DRA_INCSET = 0x10;
export const DRB_HIDE = 0x1;
export const DRB_UNHIDE = 0x2;

/** A rule; `dr_id` is the ruleset's number in its upper and the rule's in its lower half. */
export const devfs_rule = struct("struct devfs_rule", "fs/devfs/devfs.h", 236, {
  dr_magic: [0, u32],
  dr_id: [4, u32],
  dr_icond: [8, i32],
  dr_dswflags: [12, i32],
  dr_pathptrn: [16, cString(DEVFS_MAXPTRNLEN)],
  dr_iacts: [216, i32],
  dr_bacts: [220, i32],
  dr_uid: [224, u32],
  dr_gid: [228, u32],
  dr_mode: [232, u16],
  dr_incset: [234, u16],
});

export const DEVFSIO_RADD = ioctl("DEVFSIO_RADD", "fs/devfs/devfs.h", iowr("D", 0, devfs_rule));
export const DEVFSIO_RGETNEXT = ioctl("DEVFSIO_RGETNEXT", "fs/devfs/devfs.h", iowr("D", 4, devfs_rule));
/** What applies to the file system that the descriptor is of. */
export const DEVFSIO_SUSE = ioctl("DEVFSIO_SUSE", "fs/devfs/devfs.h", iow("D", 10, { size: 2 }));
export const DEVFSIO_SAPPLY = ioctl("DEVFSIO_SAPPLY", "fs/devfs/devfs.h", iow("D", 11, { size: 2 }));
export const DEVFSIO_SGETNEXT = ioctl("DEVFSIO_SGETNEXT", "fs/devfs/devfs.h", iowr("D", 12, { size: 2 }));
