import { encodeAddress } from "../inet.ts";
import { constants as diag, inet_diag_msg, inet_diag_req_v2, inet_diag_sockid } from "./abi/sock-diag.ts";
import { constants as so } from "./abi/socket.ts";
import { NetlinkSocket, type Request } from "./netlink/socket.ts";
import { openTransport } from "./netlink/transport.ts";

/** The states of a socket that has a peer. */
const CONNECTED = [
  diag.TCP_ESTABLISHED,
  diag.TCP_SYN_SENT,
  diag.TCP_SYN_RECV,
  diag.TCP_FIN_WAIT1,
  diag.TCP_FIN_WAIT2,
  diag.TCP_TIME_WAIT,
  diag.TCP_CLOSE_WAIT,
  diag.TCP_LAST_ACK,
  diag.TCP_CLOSING,
].reduce((states, state) => states | (1 << state), 0);

/** Opens a socket for sockets, sock_diag(7), of this moment's network namespace. @throws {SyscallError} */
export function openSockDiag(): NetlinkSocket {
  return new NetlinkSocket(openTransport(diag.NETLINK_SOCK_DIAG, "sock_diag"));
}

/**
 * Ends the TCP and UDP sockets that have one of these addresses of this host, and a peer: their owners get ECONNABORTED.
 * Listeners stay. Equivalent to: `ss --kill src ADDRESS` for each. Needs CONFIG_INET_DIAG_DESTROY.
 *
 * @returns how many there were.
 * @throws {SyscallError} EOPNOTSUPP when the kernel cannot.
 */
export function destroyConnected(socket: NetlinkSocket, addresses: readonly string[]): number {
  const wanted = new Set(addresses.map((address) => mapped(encodeAddress(address)).toString("hex")));
  let destroyed = 0;
  for (const family of [so.AF_INET, so.AF_INET6])
    for (const protocol of [diag.IPPROTO_TCP, diag.IPPROTO_UDP]) {
      const found = socket
        .dump(request(diag.SOCK_DIAG_BY_FAMILY, family, protocol, Buffer.alloc(inet_diag_sockid.size)))
        .map(({ body }) => inet_diag_msg.decode(body).id)
        .filter((id) => wanted.has(sourceOf(id, family)));
      for (const { error } of socket.batch(found.map((id) => request(diag.SOCK_DESTROY, family, protocol, id)))) {
        if (error !== undefined && error.code !== "ENOENT") throw error;
        destroyed += 1;
      }
    }
  return destroyed;
}

function request(type: number, family: number, protocol: number, id: Buffer): Request {
  return {
    call: type === diag.SOCK_DESTROY ? "SOCK_DESTROY" : "SOCK_DIAG_BY_FAMILY",
    object: `${family === so.AF_INET ? "inet" : "inet6"} ${protocol === diag.IPPROTO_TCP ? "tcp" : "udp"}`,
    type,
    flags: 0,
    body: inet_diag_req_v2.encode({ sdiag_family: family, sdiag_protocol: protocol, idiag_states: CONNECTED, id }),
  };
}

/** The socket's own address, in hex: IPv4 mapped into IPv6, as sockets of both families have it. */
function sourceOf(id: Buffer, family: number): string {
  const source = inet_diag_sockid.decode(id).idiag_src;
  return (family === so.AF_INET ? mapped(source.subarray(0, 4)) : source).toString("hex");
}

function mapped(address: Buffer): Buffer {
  return address.length === 16 ? address : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), address]);
}
