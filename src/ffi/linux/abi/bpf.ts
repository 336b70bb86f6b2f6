// <linux/bpf.h>, <linux/bpf_common.h>
import { bytes, cString, pointer, struct, u32, u64 } from "../../struct.ts";

/** <asm/unistd.h>, by `process.arch`. */
export const SYS_bpf: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };

export const BPF_MAP_CREATE = 0;
export const BPF_MAP_LOOKUP_ELEM = 1;
export const BPF_MAP_UPDATE_ELEM = 2;
export const BPF_MAP_DELETE_ELEM = 3;
export const BPF_MAP_GET_NEXT_KEY = 4;
export const BPF_PROG_LOAD = 5;
export const BPF_PROG_ATTACH = 8;
export const BPF_PROG_GET_FD_BY_ID = 13;
export const BPF_MAP_GET_FD_BY_ID = 14;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_PROG_QUERY = 16;
export const BPF_BTF_LOAD = 18;
export const BPF_LINK_CREATE = 28;
export const BPF_LINK_GET_FD_BY_ID = 30;
export const BPF_LINK_GET_NEXT_ID = 31;

export const BPF_MAP_TYPE_HASH = 1;
export const BPF_MAP_TYPE_SOCKHASH = 18;
export const BPF_MAP_TYPE_SK_STORAGE = 24;
export const BPF_F_NO_PREALLOC = 1;
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;

export const BPF_PROG_TYPE_CGROUP_SKB = 8;
export const BPF_PROG_TYPE_CGROUP_SOCK = 9;
export const BPF_PROG_TYPE_SOCK_OPS = 13;
export const BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18;
export const BPF_PROG_TYPE_CGROUP_SOCKOPT = 25;
export const BPF_PROG_TYPE_SK_LOOKUP = 30;

export const BPF_CGROUP_INET_INGRESS = 0;
export const BPF_CGROUP_INET_EGRESS = 1;
export const BPF_CGROUP_INET_SOCK_CREATE = 2;
export const BPF_CGROUP_SOCK_OPS = 3;
export const BPF_CGROUP_INET4_BIND = 8;
export const BPF_CGROUP_INET6_BIND = 9;
export const BPF_CGROUP_INET4_CONNECT = 10;
export const BPF_CGROUP_INET6_CONNECT = 11;
export const BPF_CGROUP_UDP4_SENDMSG = 14;
export const BPF_CGROUP_UDP6_SENDMSG = 15;
export const BPF_CGROUP_SETSOCKOPT = 22;
export const BPF_CGROUP_INET_SOCK_RELEASE = 34;
export const BPF_SK_LOOKUP = 36;

export const BPF_F_ALLOW_MULTI = 2;
export const BPF_LINK_TYPE_NETNS = 5;
export const BPF_OBJ_NAME_LEN = 16;
export const BPF_PSEUDO_MAP_FD = 1;
export const BPF_PSEUDO_KFUNC_CALL = 2;

export const BPF_FUNC_map_lookup_elem = 1;
export const BPF_FUNC_ktime_get_ns = 5;
export const BPF_FUNC_skb_load_bytes = 26;
export const BPF_FUNC_bind = 64;
export const BPF_FUNC_sock_hash_update = 70;
export const BPF_FUNC_skb_ancestor_cgroup_id = 83;
export const BPF_FUNC_sk_release = 86;
export const BPF_FUNC_sk_fullsock = 95;
export const BPF_FUNC_sk_storage_get = 107;
export const BPF_FUNC_get_current_ancestor_cgroup_id = 123;
export const BPF_FUNC_sk_assign = 124;
export const BPF_FUNC_set_retval = 187;
export const BPF_SK_STORAGE_GET_F_CREATE = 1;
export const BPF_SOCK_OPS_TCP_LISTEN_CB = 11;

/** Of kernels newer than the headers of some machines: Linux 6.7, enum bpf_attach_type. */
export const newer = {
  BPF_CGROUP_UNIX_CONNECT: 49,
  BPF_CGROUP_UNIX_SENDMSG: 50,
} as const;

// union bpf_attr: one view for each command, as long as the command reads it. The members have no names in C, the fields do.
const attr = "union bpf_attr";
const header = "linux/bpf.h";

export const bpf_attr_map_create = struct(attr, header, 60, {
  map_type: [0, u32],
  key_size: [4, u32],
  value_size: [8, u32],
  max_entries: [12, u32],
  map_flags: [16, u32],
  map_name: [28, cString(16)],
  btf_fd: [48, u32],
  btf_key_type_id: [52, u32],
  btf_value_type_id: [56, u32],
});

/** `value` is `next_key` for BPF_MAP_GET_NEXT_KEY. */
export const bpf_attr_map_elem = struct(attr, header, 32, {
  map_fd: [0, u32],
  key: [8, pointer],
  value: [16, pointer],
  flags: [24, u64],
});

export const bpf_attr_prog_load = struct(attr, header, 72, {
  prog_type: [0, u32],
  insn_cnt: [4, u32],
  insns: [8, pointer],
  license: [16, pointer],
  log_level: [24, u32],
  log_size: [28, u32],
  log_buf: [32, pointer],
  prog_name: [48, cString(16)],
  expected_attach_type: [68, u32],
});

export const bpf_attr_prog_attach = struct(attr, header, 16, {
  target_fd: [0, u32],
  attach_bpf_fd: [4, u32],
  attach_type: [8, u32],
  attach_flags: [12, u32],
});

export const bpf_attr_prog_query = struct(attr, header, 64, {
  "query.target_fd": [0, u32],
  "query.attach_type": [4, u32],
  "query.prog_ids": [16, pointer],
  "query.prog_cnt": [24, u32],
});

/** For all *_GET_FD_BY_ID and *_GET_NEXT_ID: `start_id` is also `prog_id`, `map_id` and `link_id`. */
export const bpf_attr_get_id = struct(attr, header, 12, {
  start_id: [0, u32],
  next_id: [4, u32],
});

export const bpf_attr_info = struct(attr, header, 16, {
  "info.bpf_fd": [0, u32],
  "info.info_len": [4, u32],
  "info.info": [8, pointer],
});

export const bpf_attr_btf_load = struct(attr, header, 28, {
  btf: [0, pointer],
  btf_size: [16, u32],
});

export const bpf_attr_link_create = struct(attr, header, 16, {
  "link_create.prog_fd": [0, u32],
  "link_create.target_fd": [4, u32],
  "link_create.attach_type": [8, u32],
});

// Objects tell more with each kernel; the size given is what is asked for.
export const bpf_prog_info = struct("struct bpf_prog_info", header, 80, {
  id: [4, u32],
  nr_map_ids: [52, u32],
  map_ids: [56, pointer],
  name: [64, cString(16)],
});

export const bpf_map_info = struct("struct bpf_map_info", header, 40, {
  id: [4, u32],
  name: [24, cString(16)],
});

export const bpf_link_info = struct("struct bpf_link_info", header, 24, {
  type: [0, u32],
  prog_id: [8, u32],
  "netns.netns_ino": [16, u32],
});

// What programs see of a socket or a packet.
export const bpf_sock_addr = struct("struct bpf_sock_addr", header, 72, {
  user_ip4: [4, u32],
  user_ip6: [8, bytes(16)],
  user_port: [24, u32],
  protocol: [36, u32],
  msg_src_ip4: [40, u32],
  msg_src_ip6: [44, bytes(16)],
  sk: [64, pointer],
});

export const bpf_sock = struct("struct bpf_sock", header, 80, {
  family: [4, u32],
  type: [8, u32],
  protocol: [12, u32],
  mark: [16, u32],
  src_ip4: [24, u32],
  src_ip6: [28, bytes(16)],
});

export const bpf_sock_ops = struct("struct bpf_sock_ops", header, 192, {
  op: [0, u32],
  family: [20, u32],
  local_ip4: [28, u32],
  local_ip6: [48, bytes(16)],
  local_port: [68, u32],
  sk: [184, pointer],
});

export const bpf_sockopt = struct("struct bpf_sockopt", header, 40, {
  sk: [0, pointer],
  optval: [8, pointer],
  optval_end: [16, pointer],
  level: [24, u32],
  optname: [28, u32],
  optlen: [32, u32],
});

export const bpf_sk_lookup = struct("struct bpf_sk_lookup", header, 72, {
  family: [8, u32],
  protocol: [12, u32],
  local_ip4: [40, u32],
  local_ip6: [44, bytes(16)],
  local_port: [60, u32],
});

export const __sk_buff = struct("struct __sk_buff", header, 192, {
  mark: [8, u32],
  protocol: [16, u32],
  sk: [168, pointer],
});
