// <linux/netlink.h>
import { i32, struct, u16, u32 } from "../../struct.ts";

const HEADER = "linux/netlink.h";

export const nlmsghdr = struct("struct nlmsghdr", HEADER, 16, {
  nlmsg_len: [0, u32],
  nlmsg_type: [4, u16],
  nlmsg_flags: [6, u16],
  nlmsg_seq: [8, u32],
  nlmsg_pid: [12, u32],
});

/** Also `struct rtattr` of <linux/rtnetlink.h>. */
export const nlattr = struct("struct nlattr", HEADER, 4, { nla_len: [0, u16], nla_type: [2, u16] });

export const nlmsgerr = struct("struct nlmsgerr", HEADER, 20, { error: [0, i32], msg: [4, nlmsghdr] });

export const sockaddr_nl = struct("struct sockaddr_nl", HEADER, 12, {
  nl_family: [0, u16],
  nl_pid: [4, u32],
  nl_groups: [8, u32],
});

export const NETLINK_ROUTE = 0;

export const NLM_F_REQUEST = 0x01;
export const NLM_F_ACK = 0x04;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_ALIGNTO = 4;

export const NLMSGERR_ATTR_MSG = 1;

export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = ~0xc000;

export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;
