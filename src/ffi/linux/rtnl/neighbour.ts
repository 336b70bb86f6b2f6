import { formatLinkAddress } from "../../ethernet.ts";
import { formatAddress } from "../../inet.ts";
import { NDA_DST, NDA_LLADDR, NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, ndmsg, RTM_GETNEIGH } from "../abi/rtnetlink.ts";
import { decodeAttributes, type Message } from "../netlink/message.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";

/** Who has an address on a link, as the kernel knows. */
export interface Neighbour {
  readonly linkIndex: number;
  readonly address: string;
  /** `02:00:5e:00:53:01`. */
  readonly linkAddress: string;
}

/**
 * The neighbours that the kernel knows, perhaps from a while ago. Equivalent to: `ip neighbour show`, without those that
 * were asked for in vain.
 *
 * @throws {SyscallError}
 */
export function listNeighbours(socket: NetlinkSocket): Neighbour[] {
  const request = { call: "RTM_GETNEIGH", object: "all", type: RTM_GETNEIGH, flags: 0, body: ndmsg.encode({}) };
  return socket
    .dump(request)
    .map(decodeNeighbour)
    .filter((neighbour) => neighbour !== undefined);
}

/** @returns undefined when nobody answered, or nobody is asked. */
function decodeNeighbour(message: Message): Neighbour | undefined {
  const header = ndmsg.decode(message.body);
  const attributes = decodeAttributes(message.body, ndmsg.size);
  const [address, link] = [attributes.get(NDA_DST), attributes.get(NDA_LLADDR)];
  const unknown = NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP;
  if (address === undefined || link === undefined || (header.ndm_state & unknown) !== 0) return undefined;
  // The table of bridges has link addresses for both.
  if (address.length !== 4 && address.length !== 16) return undefined;
  return { linkIndex: header.ndm_ifindex, address: formatAddress(address), linkAddress: formatLinkAddress(link) };
}
