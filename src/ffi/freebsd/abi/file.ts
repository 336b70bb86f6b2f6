/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/file.h"] as const;

export const LOCK_EX = 0x2;
export const LOCK_NB = 0x4;
