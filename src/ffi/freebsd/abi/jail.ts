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
