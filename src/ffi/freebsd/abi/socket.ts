import { bytes, struct, u8, u16, u16be, u32 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/socket.h", "netinet/in.h", "net/if_dl.h"] as const;

export const AF_INET = 2;
export const AF_LINK = 18;
export const AF_INET6 = 28;
export const SOCK_DGRAM = 2;
/** Close the descriptor on execve(2). */
export const SOCK_CLOEXEC = 0x10000000;

/** The common head of all socket addresses. */
export const sockaddr = struct("struct sockaddr", "sys/socket.h", 16, {
  sa_len: [0, u8],
  sa_family: [1, u8],
  sa_data: [2, bytes(14)],
});

export const sockaddr_in = struct("struct sockaddr_in", "netinet/in.h", 16, {
  sin_len: [0, u8],
  sin_family: [1, u8],
  sin_port: [2, u16be],
  sin_addr: [4, bytes(4)],
  sin_zero: [8, bytes(8)],
});

export const sockaddr_in6 = struct("struct sockaddr_in6", "netinet/in.h", 28, {
  sin6_len: [0, u8],
  sin6_family: [1, u8],
  sin6_port: [2, u16be],
  sin6_flowinfo: [4, u32],
  sin6_addr: [8, bytes(16)],
  sin6_scope_id: [24, u32],
});

/** Link-level address: interface index, name and hardware address. */
export const sockaddr_dl = struct("struct sockaddr_dl", "net/if_dl.h", 54, {
  sdl_len: [0, u8],
  sdl_family: [1, u8],
  sdl_index: [2, u16],
  sdl_type: [4, u8],
  sdl_nlen: [5, u8],
  sdl_alen: [6, u8],
  sdl_slen: [7, u8],
  sdl_data: [8, bytes(46)],
});
