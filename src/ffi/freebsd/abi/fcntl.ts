/** Headers that a C probe of this module includes, in order. */
export const headers = ["fcntl.h"] as const;

export const O_RDONLY = 0x0;
export const O_RDWR = 0x2;
/** Do not wait for what is not there yet. */
export const O_NONBLOCK = 0x4;
/** Close the descriptor on execve(2). */
export const O_CLOEXEC = 0x100000;
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
