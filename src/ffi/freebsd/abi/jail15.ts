/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/param.h", "sys/types.h", "sys/jail.h"] as const;
/** Older kernels refuse these flags with EINVAL. */
export const since = "15.0";

/** The jail that the parameter `desc`, a descriptor, is of. */
export const JAIL_USE_DESC = 0x10;
/** Return a descriptor of the jail in `desc`. */
export const JAIL_GET_DESC = 0x40;
/** Return one in `desc` with whose last closing the jail is removed. */
export const JAIL_OWN_DESC = 0x80;
