import { isErrno } from "../errno.ts";
import { type AddressHolder, askOnLink, FRAME_SIZE, probeFilter } from "../ethernet.ts";
import { addressOf } from "../library.ts";
import {
  AF_PACKET,
  ETH_P_ALL,
  MSG_DONTWAIT,
  SO_ATTACH_FILTER,
  SOCK_RAW,
  SOL_SOCKET,
  sock_filter,
  sock_fprog,
  sockaddr_ll,
} from "./abi/socket.ts";
import type { Fd } from "./fd.ts";
import type { Link } from "./rtnl/link.ts";
import { bind, openSocket, receive, send, setOption } from "./socket.ts";

/**
 * Asks on a link who has addresses, by ARP probes (RFC 5227) and neighbour solicitations (RFC 4862), on a packet(7)
 * socket. Equivalent to: `arping -D -I LINK ADDRESS`, `ndptool`.
 *
 * @returns those that somebody has; as soon as all are known to have one, or nobody answered for 0.6 seconds.
 * @throws {SyscallError} EPERM without CAP_NET_RAW.
 */
export async function askWhoHas(
  link: Pick<Link, "index" | "name" | "linkAddress">,
  addresses: readonly string[],
): Promise<AddressHolder[]> {
  using fd = openLink(link);
  const { linkAddress: own } = link;
  return await askOnLink({ own, send: (frame) => void send(fd, frame), receive: () => received(fd) }, addresses);
}

function openLink({ index, name }: Pick<Link, "index" | "name">): Fd {
  // Of protocol 0 it hears nothing until it is bound to the link.
  return openSocket(`packets of ${name}`, AF_PACKET, SOCK_RAW, 0).prepared((fd) => {
    const filter = Buffer.concat(probeFilter.map((instruction) => sock_filter.encode(instruction)));
    const program = sock_fprog.encode({ len: probeFilter.length, filter: addressOf(filter) });
    setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, program);
    bind(fd, sockaddr_ll.encode({ sll_family: AF_PACKET, sll_protocol: ETH_P_ALL, sll_ifindex: index }));
  });
}

/** What waits to be received; each frame in memory that the next one may take. */
function* received(fd: Fd): Generator<Buffer> {
  const frame = Buffer.allocUnsafe(FRAME_SIZE);
  for (;;) {
    let length: number;
    try {
      length = receive(fd, frame, MSG_DONTWAIT);
    } catch (error) {
      if (isErrno(error, "EAGAIN", "EINTR")) return;
      throw error;
    }
    yield frame.subarray(0, length);
  }
}
