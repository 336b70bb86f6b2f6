// <sys/socket.h>, <bits/socket_type.h>, <asm-generic/socket.h>
export const constants = {
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  SOCK_RAW: 3,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SOL_NETLINK: 270,
  SO_RCVBUF: 8,
  SO_RCVBUFFORCE: 33,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
} as const;
