/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/param.h"] as const;

/** Longest path, in bytes with its NUL. */
export const MAXPATHLEN = 1024;
/** Longest host name, in bytes with its NUL. A jail's name has no more either. */
export const MAXHOSTNAMELEN = 256;
