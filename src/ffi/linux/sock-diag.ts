import { encodeAddress } from "../inet.ts";
import {
  INET_DIAG_BC_S_COND,
  INET_DIAG_REQ_BYTECODE,
  IPPROTO_TCP,
  IPPROTO_UDP,
  inet_diag_bc_op,
  inet_diag_hostcond,
  inet_diag_msg,
  inet_diag_req_v2,
  NETLINK_SOCK_DIAG,
  SOCK_DESTROY,
  SOCK_DIAG_BY_FAMILY,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from "./abi/sock-diag.ts";
import { AF_INET, AF_INET6 } from "./abi/socket.ts";
import { encodeAttribute } from "./netlink/message.ts";
import { NetlinkSocket, type Request } from "./netlink/socket.ts";
import { openTransport } from "./netlink/transport.ts";

/** The states of a socket that has a peer. */
const CONNECTED = [
  TCP_ESTABLISHED,
  TCP_SYN_SENT,
  TCP_SYN_RECV,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_TIME_WAIT,
  TCP_CLOSE_WAIT,
  TCP_LAST_ACK,
  TCP_CLOSING,
].reduce((states, state) => states | (1 << state), 0);

/** Opens a socket for sockets, sock_diag(7), of this moment's network namespace. @throws {SyscallError} */
export function openSockDiag(): NetlinkSocket {
  return new NetlinkSocket(openTransport(NETLINK_SOCK_DIAG, "sock_diag"));
}

/**
 * Ends the TCP and UDP sockets that have one of these addresses of this host, and a peer: their owners get ECONNABORTED.
 * Listeners stay. Equivalent to: `ss --kill src ADDRESS` for each. Needs CONFIG_INET_DIAG_DESTROY.
 *
 * @returns how many there were.
 * @throws {SyscallError} EOPNOTSUPP when the kernel cannot.
 */
export function destroyConnected(socket: NetlinkSocket, addresses: readonly string[]): number {
  let destroyed = 0;
  // Sockets of IPv6 have addresses of IPv4 as well, mapped.
  for (const address of addresses.map(encodeAddress))
    for (const family of address.length === IPV4_SIZE ? [AF_INET, AF_INET6] : [AF_INET6])
      for (const protocol of [IPPROTO_TCP, IPPROTO_UDP]) {
        const found = socket
          .dump(request(SOCK_DIAG_BY_FAMILY, family, protocol, NOBODY, hasAddress(address)))
          .map(({ body }) => inet_diag_msg.decode(body).id);
        for (const { error } of socket.batch(found.map((id) => request(SOCK_DESTROY, family, protocol, id)))) {
          if (error !== undefined && error.code !== "ENOENT") throw error;
          destroyed += 1;
        }
      }
  return destroyed;
}

const IPV4_SIZE = 4;
const NOBODY = Buffer.alloc(48);
const ANY_PORT = -1;

function request(type: number, family: number, protocol: number, id: Buffer, filter?: Buffer): Request {
  const header = { sdiag_family: family, sdiag_protocol: protocol, idiag_states: CONNECTED, id };
  return {
    call: type === SOCK_DESTROY ? "SOCK_DESTROY" : "SOCK_DIAG_BY_FAMILY",
    object: `${family === AF_INET ? "inet" : "inet6"} ${protocol === IPPROTO_TCP ? "tcp" : "udp"}`,
    type,
    flags: 0,
    body: Buffer.concat([inet_diag_req_v2.encode(header), ...(filter === undefined ? [] : [filter])]),
  };
}

/** Has the kernel tell only of sockets that have this address, those of IPv6 by its mapped form too. */
function hasAddress(address: Buffer): Buffer {
  const family = address.length === IPV4_SIZE ? AF_INET : AF_INET6;
  const condition = inet_diag_hostcond.encode({ family, prefix_len: 8 * address.length, port: ANY_PORT });
  const end = inet_diag_bc_op.size + condition.length + address.length;
  // Right at the end a socket is told of, beyond it is not.
  const operation = inet_diag_bc_op.encode({
    code: INET_DIAG_BC_S_COND,
    yes: end,
    no: end + inet_diag_bc_op.size,
  });
  return encodeAttribute(INET_DIAG_REQ_BYTECODE, Buffer.concat([operation, condition, address]));
}
