// <linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>, <linux/neighbour.h>, <net/if.h>
import { i32, struct, u8, u16, u32 } from "../../struct.ts";

export const ifinfomsg = struct("struct ifinfomsg", "linux/rtnetlink.h", 16, {
  ifi_family: [0, u8],
  ifi_type: [2, u16],
  ifi_index: [4, i32],
  ifi_flags: [8, u32],
  ifi_change: [12, u32],
});

export const ifaddrmsg = struct("struct ifaddrmsg", "linux/if_addr.h", 8, {
  ifa_family: [0, u8],
  ifa_prefixlen: [1, u8],
  ifa_flags: [2, u8],
  ifa_scope: [3, u8],
  ifa_index: [4, u32],
});

export const rtmsg = struct("struct rtmsg", "linux/rtnetlink.h", 12, {
  rtm_family: [0, u8],
  rtm_dst_len: [1, u8],
  rtm_src_len: [2, u8],
  rtm_tos: [3, u8],
  rtm_table: [4, u8],
  rtm_protocol: [5, u8],
  rtm_scope: [6, u8],
  rtm_type: [7, u8],
  rtm_flags: [8, u32],
});

export const rtnexthop = struct("struct rtnexthop", "linux/rtnetlink.h", 8, {
  rtnh_len: [0, u16],
  rtnh_flags: [2, u8],
  rtnh_hops: [3, u8],
  rtnh_ifindex: [4, i32],
});

export const ndmsg = struct("struct ndmsg", "linux/neighbour.h", 12, {
  ndm_family: [0, u8],
  ndm_ifindex: [4, i32],
  ndm_state: [8, u16],
  ndm_flags: [10, u8],
  ndm_type: [11, u8],
});

export const constants = {
  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_SETLINK: 19,
  RTM_NEWADDR: 20,
  RTM_DELADDR: 21,
  RTM_GETADDR: 22,
  RTM_GETROUTE: 26,
  RTM_GETNEIGH: 30,

  IFNAMSIZ: 16,
  IFALIASZ: 256,
  IFF_UP: 0x1,
  IFF_LOOPBACK: 0x8,
  IFF_RUNNING: 0x40,
  IFF_NOARP: 0x80,

  IFLA_ADDRESS: 1,
  IFLA_IFNAME: 3,
  IFLA_LINKINFO: 18,
  IFLA_IFALIAS: 20,
  IFLA_AF_SPEC: 26,
  IFLA_GROUP: 27,
  IFLA_EXT_MASK: 29,
  IFLA_INFO_KIND: 1,
  IFLA_INET6_ADDR_GEN_MODE: 8,
  IN6_ADDR_GEN_MODE_NONE: 1,
  RTEXT_FILTER_SKIP_STATS: 8,

  IFA_ADDRESS: 1,
  IFA_LOCAL: 2,
  IFA_PROTO: 11,
  IFA_F_NODAD: 0x02,
  RT_SCOPE_UNIVERSE: 0,

  RTA_DST: 1,
  RTA_OIF: 4,
  RTA_GATEWAY: 5,
  RTA_PRIORITY: 6,
  RTA_MULTIPATH: 9,
  RTA_TABLE: 15,
  RTA_VIA: 18,
  RT_TABLE_MAIN: 254,
  RTN_UNICAST: 1,
  RTN_LOCAL: 2,
  RTNH_F_DEAD: 1,
  RTM_F_FIB_MATCH: 0x2000,

  NDA_DST: 1,
  NDA_LLADDR: 2,
  NUD_INCOMPLETE: 0x01,
  NUD_FAILED: 0x20,
  NUD_NOARP: 0x40,
} as const;
