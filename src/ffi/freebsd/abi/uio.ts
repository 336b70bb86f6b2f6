import { pointer, struct, u64 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/uio.h"] as const;

/** One buffer of a scatter/gather call; jail_set(2) and nmount(2) take pairs of them. */
export const iovec = struct("struct iovec", "sys/_iovec.h", 16, {
  iov_base: [0, pointer],
  iov_len: [8, u64],
});
