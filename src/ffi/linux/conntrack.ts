import type { SyscallError } from "../errno.ts";
import { encodeAddress } from "../inet.ts";
import { constants as ct, filterFlags, nfgenmsg } from "./abi/netfilter.ts";
import { constants as so } from "./abi/socket.ts";
import {
  decodeAttributes,
  encodeAttribute,
  encodeNested,
  encodeU32,
  type Message,
  NetlinkFormatError,
} from "./netlink/message.ts";
import type { NetlinkSocket, Request } from "./netlink/socket.ts";

const typeOf = (message: number): number => (ct.NFNL_SUBSYS_CTNETLINK << 8) | message;

/**
 * Up to so many connections are read all at once and looked through here. The kernel walks its whole table for a dump,
 * some 4 ms at the usual size, and takes one direction at a time to filter by.
 */
const FEW = 500;

/**
 * Makes the kernel forget all connections from and to an address of this host, translated ones included: those that the
 * address began, and those that it answers. Equivalent to: `conntrack -D -s ADDRESS; conntrack -D -r ADDRESS`.
 * Needs Linux 5.8.
 *
 * @returns how many there were.
 * @throws {SyscallError}
 */
export function forgetConnections(socket: NetlinkSocket, address: string): number {
  const tracked = countConnections(socket);
  if (tracked === 0) return 0;
  if (tracked <= FEW) {
    const source = encodeAddress(address);
    return forget(
      socket,
      address,
      socket.dump(allConnections(source)).filter((message) => isFrom(message, source)),
    );
  }
  let forgotten = 0;
  for (const direction of ["original", "reply"] as const)
    forgotten += forget(socket, address, socket.dump(connectionsFrom(address, direction)));
  return forgotten;
}

function forget(socket: NetlinkSocket, address: string, found: readonly Message[]): number {
  const outcomes = socket.batch(found.map((message) => deletion(message, address)));
  for (const { error } of outcomes) if (error !== undefined && !hasEnded(error)) throw error;
  return outcomes.length;
}

/** How many connections the kernel tracks in this network namespace. @throws {SyscallError} */
function countConnections(socket: NetlinkSocket): number {
  const [message] = socket.request({
    call: "IPCTNL_MSG_CT_GET_STATS",
    object: "",
    type: typeOf(ct.IPCTNL_MSG_CT_GET_STATS),
    flags: 0,
    body: nfgenmsg.encode({ version: ct.NFNETLINK_V0 }),
  });
  const count = message && decodeAttributes(message.body, nfgenmsg.size).get(ct.CTA_STATS_GLOBAL_ENTRIES);
  if (count === undefined) throw new NetlinkFormatError("the kernel does not say how many connections it tracks");
  return count.readUInt32BE(0);
}

const familyOf = (address: Uint8Array): number => (address.length === 4 ? so.AF_INET : so.AF_INET6);
const sourceOf = (address: Uint8Array): number => (address.length === 4 ? ct.CTA_IP_V4_SRC : ct.CTA_IP_V6_SRC);

/** Asks for all connections of the address's family. */
function allConnections(address: Uint8Array): Request {
  return {
    call: "IPCTNL_MSG_CT_GET",
    object: "all",
    type: typeOf(ct.IPCTNL_MSG_CT_GET),
    flags: 0,
    body: nfgenmsg.encode({ nfgen_family: familyOf(address), version: ct.NFNETLINK_V0 }),
  };
}

/** Do packets of either direction come from the address? */
function isFrom({ body }: Message, address: Uint8Array): boolean {
  const attributes = decodeAttributes(body, nfgenmsg.size);
  return [ct.CTA_TUPLE_ORIG, ct.CTA_TUPLE_REPLY].some((tuple) => {
    const within = attributes.get(tuple);
    const ip = within && decodeAttributes(within, 0).get(ct.CTA_TUPLE_IP);
    return ip !== undefined && decodeAttributes(ip, 0).get(sourceOf(address))?.equals(address) === true;
  });
}

/** Asks for the connections whose packets of this direction come from the address. */
export function connectionsFrom(address: string, direction: "original" | "reply"): Request {
  const bytes = encodeAddress(address);
  const source = encodeAttribute(sourceOf(bytes), bytes);
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
      nfgenmsg.encode({ nfgen_family: familyOf(bytes), version: ct.NFNETLINK_V0 }),
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
