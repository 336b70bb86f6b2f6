// <linux/sock_diag.h>, <linux/inet_diag.h>, <linux/netlink.h>, <netinet/in.h>, <netinet/tcp.h>
import { bytes, struct, u8, u32 } from "../../struct.ts";

const HEADER = "linux/inet_diag.h";

/** `struct inet_diag_sockid`: ports and addresses in network byte order; the cookie names one socket for its life. */
export const inet_diag_sockid = struct("struct inet_diag_sockid", HEADER, 48, {
  idiag_src: [4, bytes(16)],
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

export const constants = {
  NETLINK_SOCK_DIAG: 4,
  SOCK_DIAG_BY_FAMILY: 20,
  SOCK_DESTROY: 21,
  IPPROTO_TCP: 6,
  IPPROTO_UDP: 17,

  // <netinet/tcp.h>, of UDP sockets too: one with a peer is TCP_ESTABLISHED.
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_CLOSING: 11,
} as const;
