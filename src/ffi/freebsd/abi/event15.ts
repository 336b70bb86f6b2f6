/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/event.h"] as const;
/** Older kernels refuse these filters with EINVAL. */
export const since = "15.0";

/** Of a jail, by its id. */
export const EVFILT_JAIL = -14;
/** Of a jail, by its descriptor. */
export const EVFILT_JAILDESC = -15;

/** A jail was made within it; `data` is its id. */
export const NOTE_JAIL_CHILD = 0x80000000;
export const NOTE_JAIL_SET = 0x40000000;
/** A process was put into it; `data` is its number. */
export const NOTE_JAIL_ATTACH = 0x20000000;
/** It is dying: jail_get(2) finds it no more. */
export const NOTE_JAIL_REMOVE = 0x10000000;
/** Of children, or of processes, there were several. */
export const NOTE_JAIL_MULTI = 0x8000000;
