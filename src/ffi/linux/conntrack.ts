import type { SyscallError } from "../errno.ts";
import { encodeAddress } from "../inet.ts";
import { constants as ct, filterFlags, nfgenmsg } from "./abi/netfilter.ts";
import { constants as so } from "./abi/socket.ts";
import { decodeAttributes, encodeAttribute, encodeNested, encodeU32, type Message } from "./netlink/message.ts";
import type { NetlinkSocket, Request } from "./netlink/socket.ts";

/**
 * Makes the kernel forget all connections from and to an address of this host, translated ones included: those that the
 * address began, and those that it answers. Equivalent to: `conntrack -D -s ADDRESS; conntrack -D -r ADDRESS`.
 * Needs Linux 5.8.
 *
 * @returns how many there were.
 * @throws {SyscallError}
 */
export function forgetConnections(socket: NetlinkSocket, address: string): number {
  let forgotten = 0;
  for (const direction of ["original", "reply"] as const) {
    const found = socket.dump(connectionsFrom(address, direction));
    const outcomes = socket.batch(found.map((message) => deletion(message, address)));
    for (const { error } of outcomes) if (error !== undefined && !hasEnded(error)) throw error;
    forgotten += outcomes.length;
  }
  return forgotten;
}

const typeOf = (message: number): number => (ct.NFNL_SUBSYS_CTNETLINK << 8) | message;

/** Asks for the connections whose packets of this direction come from the address. */
export function connectionsFrom(address: string, direction: "original" | "reply"): Request {
  const bytes = encodeAddress(address);
  const source = encodeAttribute(bytes.length === 4 ? ct.CTA_IP_V4_SRC : ct.CTA_IP_V6_SRC, bytes);
  const [tuple, flags] =
    direction === "original"
      ? [ct.CTA_TUPLE_ORIG, ct.CTA_FILTER_ORIG_FLAGS]
      : [ct.CTA_TUPLE_REPLY, ct.CTA_FILTER_REPLY_FLAGS];
  return {
    call: "IPCTNL_MSG_CT_GET",
    object: `${address} ${direction}`,
    type: typeOf(ct.IPCTNL_MSG_CT_GET),
    flags: 0,
    body: Buffer.concat([
      nfgenmsg.encode({ nfgen_family: bytes.length === 4 ? so.AF_INET : so.AF_INET6, version: ct.NFNETLINK_V0 }),
      encodeNested(tuple, encodeNested(ct.CTA_TUPLE_IP, source)),
      encodeNested(ct.CTA_FILTER, encodeU32(flags, filterFlags.CTA_FILTER_F_CTA_IP_SRC)),
    ]),
  };
}

/** Names the connection by what the kernel said of it, so that one which took its place meanwhile is left alone. */
function deletion({ body }: Message, address: string): Request {
  const attributes = decodeAttributes(body, nfgenmsg.size);
  const copied = [ct.CTA_ID, ct.CTA_ZONE].flatMap((type) => {
    const value = attributes.get(type);
    return value === undefined ? [] : [encodeAttribute(type, value)];
  });
  return {
    call: "IPCTNL_MSG_CT_DELETE",
    object: address,
    type: typeOf(ct.IPCTNL_MSG_CT_DELETE),
    flags: 0,
    body: Buffer.concat([
      body.subarray(0, nfgenmsg.size),
      encodeNested(ct.CTA_TUPLE_ORIG, attributes.get(ct.CTA_TUPLE_ORIG) ?? Buffer.alloc(0)),
      ...copied,
    ]),
  };
}

const hasEnded = (error: SyscallError): boolean => error.code === "ENOENT";
