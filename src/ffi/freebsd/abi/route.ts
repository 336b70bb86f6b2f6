import { arrayOf, i32, struct, u8, u16, u64 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/socket.h", "net/route.h"] as const;

export const PF_ROUTE = 17;
export const RTM_VERSION = 5;
export const RTM_GET = 0x4;
export const RTA_DST = 0x1;
export const RTA_GATEWAY = 0x2;
export const RTA_NETMASK = 0x4;
export const RTF_UP = 0x1;
export const RTF_GATEWAY = 0x2;
export const RTF_HOST = 0x4;
export const RTF_REJECT = 0x8;
export const RTF_LLINFO = 0x400;
export const RTF_BLACKHOLE = 0x1000;

/** A routing message; the sockaddrs that `rtm_addrs` names follow it. */
export const rt_msghdr = struct("struct rt_msghdr", "net/route.h", 152, {
  rtm_msglen: [0, u16],
  rtm_version: [2, u8],
  rtm_type: [3, u8],
  rtm_index: [4, u16],
  rtm_flags: [8, i32],
  rtm_addrs: [12, i32],
  rtm_pid: [16, i32],
  rtm_seq: [20, i32],
  rtm_errno: [24, i32],
  rtm_inits: [32, u64],
  rtm_rmx: [40, arrayOf(u64, 14)],
});
