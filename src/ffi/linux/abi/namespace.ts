// <sched.h>
export const constants = {
  CLONE_NEWNS: 0x00020000,
  CLONE_NEWNET: 0x40000000,
} as const;
