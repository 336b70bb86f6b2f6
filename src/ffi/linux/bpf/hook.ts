import {
  BPF_ANY,
  BPF_CGROUP_INET_EGRESS,
  BPF_CGROUP_INET_INGRESS,
  BPF_CGROUP_INET_SOCK_CREATE,
  BPF_CGROUP_INET_SOCK_RELEASE,
  BPF_CGROUP_INET4_BIND,
  BPF_CGROUP_INET4_CONNECT,
  BPF_CGROUP_INET6_BIND,
  BPF_CGROUP_INET6_CONNECT,
  BPF_CGROUP_SETSOCKOPT,
  BPF_CGROUP_SOCK_OPS,
  BPF_CGROUP_UDP4_SENDMSG,
  BPF_CGROUP_UDP6_SENDMSG,
  BPF_FUNC_bind,
  BPF_FUNC_get_current_ancestor_cgroup_id,
  BPF_FUNC_ktime_get_ns,
  BPF_FUNC_map_lookup_elem,
  BPF_FUNC_set_retval,
  BPF_FUNC_sk_assign,
  BPF_FUNC_sk_fullsock,
  BPF_FUNC_sk_release,
  BPF_FUNC_sk_storage_get,
  BPF_FUNC_skb_ancestor_cgroup_id,
  BPF_FUNC_skb_load_bytes,
  BPF_FUNC_sock_hash_update,
  BPF_NOEXIST,
  BPF_PROG_TYPE_CGROUP_SKB,
  BPF_PROG_TYPE_CGROUP_SOCK,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  BPF_PROG_TYPE_CGROUP_SOCKOPT,
  BPF_PROG_TYPE_SK_LOOKUP,
  BPF_PROG_TYPE_SOCK_OPS,
  BPF_SK_LOOKUP,
  BPF_SK_STORAGE_GET_F_CREATE,
  BPF_SOCK_OPS_TCP_LISTEN_CB,
  newer,
} from "../abi/bpf.ts";

/** Where programs are attached: to a cgroup, or (`lookup`) to a network namespace. With the program type of each. */
export const hooks = {
  /** socket(2) of an internet family. */
  create: { type: BPF_PROG_TYPE_CGROUP_SOCK, attachType: BPF_CGROUP_INET_SOCK_CREATE },
  /** close(2) of the last descriptor of such a socket, or of one that was accepted. */
  release: { type: BPF_PROG_TYPE_CGROUP_SOCK, attachType: BPF_CGROUP_INET_SOCK_RELEASE },
  bind4: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: BPF_CGROUP_INET4_BIND },
  bind6: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: BPF_CGROUP_INET6_BIND },
  connect4: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: BPF_CGROUP_INET4_CONNECT },
  connect6: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: BPF_CGROUP_INET6_CONNECT },
  /** sendmsg(2) on a UDP socket that is not connected, or with control messages. */
  send4: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: BPF_CGROUP_UDP4_SENDMSG },
  send6: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: BPF_CGROUP_UDP6_SENDMSG },
  /** connect(2) of a unix socket. Linux 6.7. */
  connectUn: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: newer.BPF_CGROUP_UNIX_CONNECT },
  /** sendmsg(2) of a unix socket to an address. Linux 6.7. */
  sendUn: { type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType: newer.BPF_CGROUP_UNIX_SENDMSG },
  setOption: { type: BPF_PROG_TYPE_CGROUP_SOCKOPT, attachType: BPF_CGROUP_SETSOCKOPT },
  /** A packet is about to be given to a socket. */
  ingress: { type: BPF_PROG_TYPE_CGROUP_SKB, attachType: BPF_CGROUP_INET_INGRESS },
  /** A packet of a socket is about to leave, after the firewall's last look at it. */
  egress: { type: BPF_PROG_TYPE_CGROUP_SKB, attachType: BPF_CGROUP_INET_EGRESS },
  /** Events of a TCP socket. */
  tcpEvent: { type: BPF_PROG_TYPE_SOCK_OPS, attachType: BPF_CGROUP_SOCK_OPS },
  /** The kernel looks for the listener of a new connection, or for a datagram's socket. */
  lookup: { type: BPF_PROG_TYPE_SK_LOOKUP, attachType: BPF_SK_LOOKUP },
} as const;

/** A place in the kernel that a program is made for. */
export type Hook = keyof typeof hooks;

/** Functions of the kernel that a program may call, bpf-helpers(7). */
export const helpers = {
  /** Nanoseconds of a clock that only goes forward. */
  now: BPF_FUNC_ktime_get_ns,
  mapLookup: BPF_FUNC_map_lookup_elem,
  packetLoadBytes: BPF_FUNC_skb_load_bytes,
  bind: BPF_FUNC_bind,
  socketsUpdate: BPF_FUNC_sock_hash_update,
  packetAncestorCgroupId: BPF_FUNC_skb_ancestor_cgroup_id,
  socketRelease: BPF_FUNC_sk_release,
  /** Of a packet's socket: null when that is not one in full, as after the end of its connection. */
  fullSocket: BPF_FUNC_sk_fullsock,
  socketStorage: BPF_FUNC_sk_storage_get,
  currentAncestorCgroupId: BPF_FUNC_get_current_ancestor_cgroup_id,
  socketAssign: BPF_FUNC_sk_assign,
  /** Linux 5.18. */
  setReturnValue: BPF_FUNC_set_retval,
} as const;

/** Flags of some helpers. */
export const helperFlags = {
  any: BPF_ANY,
  onlyNew: BPF_NOEXIST,
  createStorage: BPF_SK_STORAGE_GET_F_CREATE,
} as const;

/** `event` of a {@link contexts.tcpEvent}: a TCP socket begins to listen. */
export const EVENT_LISTEN = BPF_SOCK_OPS_TCP_LISTEN_CB;
