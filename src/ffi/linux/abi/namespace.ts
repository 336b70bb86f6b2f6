// <sched.h>
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWNET = 0x40000000;
