import * as abi from "../abi/bpf.ts";

/** Offset of a field, in bytes. */
function at<F extends string>(
  declared: { readonly fields: Readonly<Record<F, readonly [number, unknown]>> },
  field: F,
) {
  return declared.fields[field][0];
}

/**
 * Offsets in what a program is given, in bytes. Addresses and `port` are in network byte order, `localPort` in the
 * host's.
 */
export const contexts = {
  /** At the hooks bind, connect, send. */
  address: {
    ipv4: at(abi.bpf_sock_addr, "user_ip4"),
    ipv6: at(abi.bpf_sock_addr, "user_ip6"),
    port: at(abi.bpf_sock_addr, "user_port"),
    protocol: at(abi.bpf_sock_addr, "protocol"),
    source4: at(abi.bpf_sock_addr, "msg_src_ip4"),
    source6: at(abi.bpf_sock_addr, "msg_src_ip6"),
    socket: at(abi.bpf_sock_addr, "sk"),
  },
  /** At the hook create, and behind every `socket`. */
  socket: {
    family: at(abi.bpf_sock, "family"),
    type: at(abi.bpf_sock, "type"),
    protocol: at(abi.bpf_sock, "protocol"),
    mark: at(abi.bpf_sock, "mark"),
    source4: at(abi.bpf_sock, "src_ip4"),
    source6: at(abi.bpf_sock, "src_ip6"),
  },
  tcpEvent: {
    event: at(abi.bpf_sock_ops, "op"),
    family: at(abi.bpf_sock_ops, "family"),
    local4: at(abi.bpf_sock_ops, "local_ip4"),
    local6: at(abi.bpf_sock_ops, "local_ip6"),
    localPort: at(abi.bpf_sock_ops, "local_port"),
    socket: at(abi.bpf_sock_ops, "sk"),
  },
  option: {
    socket: at(abi.bpf_sockopt, "sk"),
    value: at(abi.bpf_sockopt, "optval"),
    valueEnd: at(abi.bpf_sockopt, "optval_end"),
    level: at(abi.bpf_sockopt, "level"),
    name: at(abi.bpf_sockopt, "optname"),
    length: at(abi.bpf_sockopt, "optlen"),
  },
  lookup: {
    family: at(abi.bpf_sk_lookup, "family"),
    protocol: at(abi.bpf_sk_lookup, "protocol"),
    local4: at(abi.bpf_sk_lookup, "local_ip4"),
    local6: at(abi.bpf_sk_lookup, "local_ip6"),
    localPort: at(abi.bpf_sk_lookup, "local_port"),
  },
  packet: {
    mark: at(abi.__sk_buff, "mark"),
    protocol: at(abi.__sk_buff, "protocol"),
    socket: at(abi.__sk_buff, "sk"),
  },
} as const;
