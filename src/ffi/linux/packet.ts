import { SyscallError } from "../errno.ts";
import { type AddressHolder, askOnLink, FRAME_SIZE, probeFilter } from "../ethernet.ts";
import { addressOf } from "../library.ts";
import { constants as so, sock_filter, sock_fprog, sockaddr_ll } from "./abi/socket.ts";
import { Fd } from "./fd.ts";
import { call, libc } from "./libc.ts";
import type { Link } from "./rtnl/link.ts";

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
  const send = (frame: Buffer): void =>
    void call("send", fd.object, () => libc.send(fd.number, frame, frame.length, 0));
  return await askOnLink({ own, send, receive: () => received(fd) }, addresses);
}

function openLink({ index, name }: Pick<Link, "index" | "name">): Fd {
  // Of protocol 0 it hears nothing until it is bound to the link.
  const fd = new Fd(
    call("socket", `packets of ${name}`, () => libc.socket(so.AF_PACKET, so.SOCK_RAW | so.SOCK_CLOEXEC, 0)),
    `packets of ${name}`,
  );
  try {
    const filter = Buffer.concat(probeFilter.map((instruction) => sock_filter.encode(instruction)));
    const program = sock_fprog.encode({ len: probeFilter.length, filter: addressOf(filter) });
    const set = (): number => libc.setsockopt(fd.number, so.SOL_SOCKET, so.SO_ATTACH_FILTER, program, program.length);
    call("setsockopt", fd.object, set);
    const address = sockaddr_ll.encode({ sll_family: so.AF_PACKET, sll_protocol: so.ETH_P_ALL, sll_ifindex: index });
    call("bind", fd.object, () => libc.bind(fd.number, address, address.length));
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** What waits to be received; each frame in memory that the next one may take. */
function* received(fd: Fd): Generator<Buffer> {
  const frame = Buffer.allocUnsafe(FRAME_SIZE);
  for (;;) {
    let length: number;
    try {
      length = call("recv", fd.object, () => libc.recv(fd.number, frame, frame.length, so.MSG_DONTWAIT));
    } catch (error) {
      if (error instanceof SyscallError && ["EAGAIN", "EINTR"].includes(error.code)) return;
      throw error;
    }
    yield frame.subarray(0, length);
  }
}
