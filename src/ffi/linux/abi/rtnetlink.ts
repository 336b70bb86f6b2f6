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

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_GETROUTE = 26;
export const RTM_GETNEIGH = 30;

export const IFNAMSIZ = 16;
export const IFALIASZ = 256;
export const IFF_UP = 0x1;
export const IFF_LOOPBACK = 0x8;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;

export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
export const IFLA_AF_SPEC = 26;
export const IFLA_GROUP = 27;
export const IFLA_EXT_MASK = 29;
export const IFLA_INFO_KIND = 1;
export const IFLA_INET6_ADDR_GEN_MODE = 8;
export const IN6_ADDR_GEN_MODE_NONE = 1;
export const RTEXT_FILTER_SKIP_STATS = 8;

export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_PROTO = 11;
export const IFA_FLAGS = 8;
export const IFA_F_NODAD = 0x02;
export const IFA_F_NOPREFIXROUTE = 0x200;
export const RT_SCOPE_UNIVERSE = 0;

export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_MULTIPATH = 9;
export const RTA_TABLE = 15;
export const RTA_VIA = 18;
export const RT_TABLE_MAIN = 254;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTNH_F_DEAD = 1;
export const RTM_F_FIB_MATCH = 0x2000;

export const NDA_DST = 1;
export const NDA_LLADDR = 2;
export const NUD_INCOMPLETE = 0x01;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
