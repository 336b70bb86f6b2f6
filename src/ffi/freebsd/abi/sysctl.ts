/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/socket.h", "sys/sysctl.h"] as const;

/** Most components of a name. */
export const CTL_MAXNAME = 24;
/** First component of the names that are questions about names. */
export const CTL_SYSCTL = 0;
/** The text of a name. */
export const CTL_SYSCTL_NAME = 1;
/** The name after this one. */
export const CTL_SYSCTL_NEXT = 2;
/** Type flags and format of a name's value. */
export const CTL_SYSCTL_OIDFMT = 4;
export const CTLTYPE = 0xf;
export const CTLTYPE_NODE = 1;
export const CTLTYPE_INT = 2;
export const CTLTYPE_STRING = 3;
/** A structure; its format names it. */
export const CTLTYPE_OPAQUE = 5;
export const CTLTYPE_UINT = 6;
export const CTLTYPE_LONG = 7;
export const CTLTYPE_ULONG = 8;
export const CTLFLAG_WR = 0x40000000;
/** Of a variable that cannot be written: the boot loader sets it; of a jail's parameter: it is set at creation alone. */
export const CTLFLAG_TUN = 0x80000;

export const CTL_KERN = 1;
export const KERN_HOSTNAME = 10;
export const CTL_NET = 4;
export const NET_RT_DUMP = 1;
export const NET_RT_FLAGS = 2;
export const NET_RT_IFLIST = 3;
