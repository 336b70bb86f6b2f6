import { cString, i32, struct, u32 } from "../../struct.ts";
import { MAXHOSTNAMELEN, MAXPATHLEN } from "./param.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/param.h", "sys/types.h", "sys/jail.h"] as const;

/** Create the jail; with no JAIL_UPDATE it is an error that it exists. */
export const JAIL_CREATE = 0x01;
/** Change an existing jail; with no JAIL_CREATE it is an error that there is none. */
export const JAIL_UPDATE = 0x02;
/** Put the calling process into the jail, for good. */
export const JAIL_ATTACH = 0x04;
/** Also find jails that are dying: removed, with resources still held. */
export const JAIL_DYING = 0x08;

/** Values of a `jailsys` parameter such as `vnet` or `ip4`. */
export const JAIL_SYS_DISABLE = 0;
export const JAIL_SYS_NEW = 1;
export const JAIL_SYS_INHERIT = 2;

/** A jail as the sysctl security.jail.list has it; its addresses follow, 4 bytes each, then 16 each. */
export const xprison = struct("struct xprison", "sys/jail.h", 1560, {
  pr_version: [0, i32],
  pr_id: [4, i32],
  pr_state: [8, i32],
  pr_path: [16, cString(MAXPATHLEN)],
  pr_name: [1296, cString(MAXHOSTNAMELEN)],
  pr_ip4s: [1552, u32],
  pr_ip6s: [1556, u32],
});
export const XPRISON_VERSION = 3;
/** pr_state of a jail that is neither being made nor removed. */
export const PRISON_STATE_ALIVE = 1;
