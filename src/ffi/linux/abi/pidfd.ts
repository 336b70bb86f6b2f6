// <asm/unistd.h>: the same on every architecture.
export const SYS_pidfd_send_signal = 424;
export const SYS_pidfd_open = 434;
