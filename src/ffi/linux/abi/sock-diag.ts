// <linux/sock_diag.h>, <linux/inet_diag.h>, <linux/netlink.h>, <netinet/in.h>, <netinet/tcp.h>
import { bytes, i32, struct, u8, u16, u32 } from "../../struct.ts";

const HEADER = "linux/inet_diag.h";

/** An instruction of a filter: where to go on when its condition holds, and when not, in bytes from here. */
export const inet_diag_bc_op = struct("struct inet_diag_bc_op", HEADER, 4, {
  code: [0, u8],
  yes: [1, u8],
  no: [2, u16],
});

/** The condition of INET_DIAG_BC_S_COND; the address follows. */
export const inet_diag_hostcond = struct("struct inet_diag_hostcond", HEADER, 8, {
  family: [0, u8],
  prefix_len: [1, u8],
  port: [4, i32],
});

export const inet_diag_req_v2 = struct("struct inet_diag_req_v2", HEADER, 56, {
  sdiag_family: [0, u8],
  sdiag_protocol: [1, u8],
  idiag_states: [4, u32],
  id: [8, bytes(48)],
});

export const inet_diag_msg = struct("struct inet_diag_msg", HEADER, 72, {
  idiag_family: [0, u8],
  id: [4, bytes(48)],
});

export const NETLINK_SOCK_DIAG = 4;
export const SOCK_DIAG_BY_FAMILY = 20;
export const SOCK_DESTROY = 21;
export const INET_DIAG_REQ_BYTECODE = 1;
export const INET_DIAG_BC_S_COND = 7;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

// <netinet/tcp.h>, of UDP sockets too: one with a peer is TCP_ESTABLISHED.
export const TCP_ESTABLISHED = 1;
export const TCP_SYN_SENT = 2;
export const TCP_SYN_RECV = 3;
export const TCP_FIN_WAIT1 = 4;
export const TCP_FIN_WAIT2 = 5;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE_WAIT = 8;
export const TCP_LAST_ACK = 9;
export const TCP_CLOSING = 11;
