import type { SyscallError } from "../errno.ts";
import { type AddressFamily, encodeAddress } from "../inet.ts";
import {
  CTA_FILTER,
  CTA_FILTER_F_CTA_IP_SRC,
  CTA_FILTER_F_CTA_PROTO_DST_PORT,
  CTA_FILTER_F_CTA_PROTO_NUM,
  CTA_FILTER_ORIG_FLAGS,
  CTA_FILTER_REPLY_FLAGS,
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_STATS_GLOBAL_ENTRIES,
  CTA_STATUS,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_GET_STATS,
  IPS_ASSURED,
  NFNETLINK_V0,
  NFNL_SUBSYS_CTNETLINK,
  nfgenmsg,
} from "./abi/netfilter.ts";
import { AF_INET, AF_INET6 } from "./abi/socket.ts";
import {
  decodeAttributes,
  encodeAttribute,
  encodeNested,
  encodeU32,
  type Message,
  NetlinkFormatError,
} from "./netlink/message.ts";
import type { NetlinkSocket, Request } from "./netlink/socket.ts";

const typeOf = (message: number): number => (NFNL_SUBSYS_CTNETLINK << 8) | message;

/**
 * Up to so many connections are read all at once and looked through here. The kernel walks its whole table for a dump,
 * some 4 ms at the usual size, and takes one direction at a time to filter by.
 */
const FEW = 500;
/** For more ports than these, one dump of all is less work than one for each. */
const FEW_PORTS = 8;

/**
 * Deletes all connections from and to an address of this host, translated ones included: those that the
 * address began, and those that it answers. Equivalent to: `conntrack -D -s ADDRESS; conntrack -D -r ADDRESS`.
 * Needs Linux 5.8.
 *
 * @returns how many there were.
 * @throws {SyscallError}
 */
export function deleteConnections(socket: NetlinkSocket, address: string): number {
  const tracked = countConnections(socket);
  if (tracked === 0) return 0;
  if (tracked <= FEW) {
    const source = encodeAddress(address);
    return deleteEntries(
      socket,
      address,
      socket.dump(connections(familyOf(source), "all")).filter((message) => isFrom(message, source)),
    );
  }
  let deleted = 0;
  for (const direction of ["original", "reply"] as const)
    deleted += deleteEntries(socket, address, socket.dump(connectionsFrom(address, direction)));
  return deleted;
}

function deleteEntries(socket: NetlinkSocket, address: string, found: readonly Message[]): number {
  const outcomes = socket.batch(found.map((message) => deletion(message, address)));
  for (const { error } of outcomes) if (error !== undefined && !hasEnded(error)) throw error;
  return outcomes.length;
}

/** How many connections the kernel tracks in this network namespace. @throws {SyscallError} */
function countConnections(socket: NetlinkSocket): number {
  const [message] = socket.request({
    call: "IPCTNL_MSG_CT_GET_STATS",
    object: "",
    type: typeOf(IPCTNL_MSG_CT_GET_STATS),
    flags: 0,
    body: nfgenmsg.encode({ version: NFNETLINK_V0 }),
  });
  const count = message && decodeAttributes(message.body, nfgenmsg.size).get(CTA_STATS_GLOBAL_ENTRIES);
  if (count === undefined) throw new NetlinkFormatError("the kernel does not say how many connections it tracks");
  return count.readUInt32BE(0);
}

const familyOf = (address: Uint8Array): number => (address.length === 4 ? AF_INET : AF_INET6);
const sourceOf = (address: Uint8Array): number => (address.length === 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC);

/** Asks for all connections of a family, or those that another request narrows them to. */
function connections(family: number, object: string, ...attributes: readonly Buffer[]): Request {
  return {
    call: "IPCTNL_MSG_CT_GET",
    object,
    type: typeOf(IPCTNL_MSG_CT_GET),
    flags: 0,
    body: Buffer.concat([nfgenmsg.encode({ nfgen_family: family, version: NFNETLINK_V0 }), ...attributes]),
  };
}

/** Do packets of either direction come from the address? */
function isFrom({ body }: Message, address: Uint8Array): boolean {
  const attributes = decodeAttributes(body, nfgenmsg.size);
  return [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY].some((tuple) => {
    const within = attributes.get(tuple);
    const ip = within && decodeAttributes(within, 0).get(CTA_TUPLE_IP);
    return ip !== undefined && decodeAttributes(ip, 0).get(sourceOf(address))?.equals(address) === true;
  });
}

/** One end of a connection. */
export interface TrackedEnd {
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  /** 0 where the protocol has none. */
  readonly port: number;
}

/** A connection that the kernel tracks. */
export interface TrackedConnection {
  readonly protocol: number;
  /** As its first packet was sent: before any translation. */
  readonly original: { readonly source: TrackedEnd; readonly destination: TrackedEnd };
  /** As its answers are: source and destination are the other way round, after all translation. */
  readonly reply: { readonly source: TrackedEnd; readonly destination: TrackedEnd };
  /** Both ends have agreed on it: of TCP, the handshake is done. */
  readonly assured: boolean;
  readonly message: Message;
}

/** Which connections are asked for: all, or those that were made to one of these ports, as sent. */
export interface WantedConnections {
  readonly family: AddressFamily;
  readonly ports?: readonly { readonly protocol: number; readonly port: number }[];
}

/**
 * The connections that the kernel tracks, of one family; a few more than those asked for. Equivalent to:
 * `conntrack -L -f FAMILY [-p PROTOCOL --orig-port-dst PORT]`.
 *
 * @throws {SyscallError}
 */
export function trackedConnections(socket: NetlinkSocket, { family, ports }: WantedConnections): TrackedConnection[] {
  if (ports?.length === 0) return [];
  const tracked = countConnections(socket);
  if (tracked === 0) return [];
  const af = family === "inet" ? AF_INET : AF_INET6;
  const single = tracked > FEW && ports !== undefined && ports.length <= FEW_PORTS;
  const requests = single
    ? ports.map(({ protocol, port }) => connectionsTo(af, protocol, port))
    : [connections(af, `all ${family}`)];
  return requests.flatMap((request) =>
    socket
      .dump(request)
      .map(decodeConnection)
      .filter((connection) => connection !== undefined),
  );
}

/** Deletes these connections. @throws {SyscallError} */
export function deleteTracked(socket: NetlinkSocket, found: readonly TrackedConnection[]): void {
  const messages = found.map(({ message }) => message);
  if (messages.length > 0) deleteEntries(socket, `${messages.length} connections`, messages);
}

/** Asks for the connections that were made to a port. */
function connectionsTo(family: number, protocol: number, port: number): Request {
  const flags = CTA_FILTER_F_CTA_PROTO_NUM | CTA_FILTER_F_CTA_PROTO_DST_PORT;
  return connections(
    family,
    `to port ${port}`,
    encodeNested(
      CTA_TUPLE_ORIG,
      encodeNested(
        CTA_TUPLE_PROTO,
        Buffer.concat([
          encodeAttribute(CTA_PROTO_NUM, Uint8Array.of(protocol)),
          encodeAttribute(CTA_PROTO_DST_PORT, Uint8Array.of(port >> 8, port & 0xff)),
        ]),
      ),
    ),
    encodeNested(CTA_FILTER, encodeU32(CTA_FILTER_ORIG_FLAGS, flags)),
  );
}

/** @returns undefined when the kernel leaves out what it always says. */
function decodeConnection(message: Message): TrackedConnection | undefined {
  const attributes = decodeAttributes(message.body, nfgenmsg.size);
  const original = decodeTuple(attributes.get(CTA_TUPLE_ORIG));
  const reply = decodeTuple(attributes.get(CTA_TUPLE_REPLY));
  if (original === undefined || reply === undefined) return undefined;
  const status = attributes.get(CTA_STATUS)?.readUInt32BE(0) ?? 0;
  const { protocol } = original;
  return { protocol, original, reply, assured: (status & IPS_ASSURED) !== 0, message };
}

function decodeTuple(
  tuple: Buffer | undefined,
): (TrackedConnection["original"] & { readonly protocol: number }) | undefined {
  if (tuple === undefined) return undefined;
  const parts = decodeAttributes(tuple, 0);
  const [ip, proto] = [parts.get(CTA_TUPLE_IP), parts.get(CTA_TUPLE_PROTO)];
  if (ip === undefined || proto === undefined) return undefined;
  const addresses = decodeAttributes(ip, 0);
  const source = addresses.get(CTA_IP_V4_SRC) ?? addresses.get(CTA_IP_V6_SRC);
  const destination = addresses.get(CTA_IP_V4_DST) ?? addresses.get(CTA_IP_V6_DST);
  if (source === undefined || destination === undefined) return undefined;
  const numbers = decodeAttributes(proto, 0);
  const port = (type: number): number => numbers.get(type)?.readUInt16BE(0) ?? 0;
  return {
    protocol: numbers.get(CTA_PROTO_NUM)?.[0] ?? 0,
    source: { address: source, port: port(CTA_PROTO_SRC_PORT) },
    destination: { address: destination, port: port(CTA_PROTO_DST_PORT) },
  };
}

/** Asks for the connections whose packets of this direction come from the address. */
function connectionsFrom(address: string, direction: "original" | "reply"): Request {
  const bytes = encodeAddress(address);
  const source = encodeAttribute(sourceOf(bytes), bytes);
  const [tuple, flags] =
    direction === "original" ? [CTA_TUPLE_ORIG, CTA_FILTER_ORIG_FLAGS] : [CTA_TUPLE_REPLY, CTA_FILTER_REPLY_FLAGS];
  return connections(
    familyOf(bytes),
    `${address} ${direction}`,
    encodeNested(tuple, encodeNested(CTA_TUPLE_IP, source)),
    encodeNested(CTA_FILTER, encodeU32(flags, CTA_FILTER_F_CTA_IP_SRC)),
  );
}

/** Names the connection by what the kernel said of it, so that one which took its place meanwhile is left alone. */
function deletion({ body }: Message, address: string): Request {
  const attributes = decodeAttributes(body, nfgenmsg.size);
  const copied = [CTA_ID, CTA_ZONE].flatMap((type) => {
    const value = attributes.get(type);
    return value === undefined ? [] : [encodeAttribute(type, value)];
  });
  return {
    call: "IPCTNL_MSG_CT_DELETE",
    object: address,
    type: typeOf(IPCTNL_MSG_CT_DELETE),
    flags: 0,
    body: Buffer.concat([
      body.subarray(0, nfgenmsg.size),
      encodeNested(CTA_TUPLE_ORIG, attributes.get(CTA_TUPLE_ORIG) ?? Buffer.alloc(0)),
      ...copied,
    ]),
  };
}

const hasEnded = (error: SyscallError): boolean => error.code === "ENOENT";
