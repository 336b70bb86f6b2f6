// <sys/socket.h>, <bits/socket_type.h>, <asm-generic/socket.h>, <linux/if_packet.h>, <linux/if_ether.h>, <linux/if_arp.h>, <linux/filter.h>
import { i32, struct, u8, u16, u16be, u32, u64 } from "../../struct.ts";

export const sockaddr_ll = struct("struct sockaddr_ll", "linux/if_packet.h", 20, {
  sll_family: [0, u16],
  sll_protocol: [2, u16be],
  sll_ifindex: [4, i32],
  sll_halen: [11, u8],
});

export const sock_filter = struct("struct sock_filter", "linux/filter.h", 8, {
  code: [0, u16],
  jt: [2, u8],
  jf: [3, u8],
  k: [4, u32],
});

export const sock_fprog = struct("struct sock_fprog", "linux/filter.h", 16, {
  len: [0, u16],
  filter: [8, u64],
});

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const ETH_P_ALL = 0x0003;
export const ARPHRD_ETHER = 1;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SOL_NETLINK = 270;
export const SO_RCVBUF = 8;
export const SO_RCVBUFFORCE = 33;
export const SO_NETNS_COOKIE = 71;
export const SO_ATTACH_FILTER = 26;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
