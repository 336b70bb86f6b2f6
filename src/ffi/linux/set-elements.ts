import { isErrno } from "../errno.ts";
import {
  NFNETLINK_V0,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFT_MSG_DELSETELEM,
  NFT_MSG_GETSETELEM,
  NFT_MSG_NEWSETELEM,
  NFT_SET_ELEM_INTERVAL_END,
  NFTA_DATA_VALUE,
  NFTA_LIST_ELEM,
  NFTA_SET_ELEM_DATA,
  NFTA_SET_ELEM_FLAGS,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_KEY_END,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_ELEM_LIST_SET,
  NFTA_SET_ELEM_LIST_TABLE,
  nfgenmsg,
} from "./abi/netfilter.ts";
import { NLM_F_CREATE } from "./abi/netlink.ts";
import { decodeAttributes, decodeList, encodeAttribute, encodeNested, type Message } from "./netlink/message.ts";
import type { NetlinkSocket, Request } from "./netlink/socket.ts";

/** An element of a set, or of a map, as the kernel holds it: what is concatenated begins at multiples of 4 bytes. */
export interface SetElement {
  readonly key: Buffer;
  /** The last key of an interval that begins at `key`, in sets of concatenations. */
  readonly last?: Buffer;
  /** In sets of single values: an interval ends before this key, which began at the element before it. */
  readonly endsInterval?: boolean;
  /** Maps only, and not needed to delete. */
  readonly data?: Buffer | undefined;
}

/** Elements to be added to a set, or deleted from it. */
export interface SetChange {
  readonly verb: "add" | "delete";
  readonly set: string;
  readonly elements: readonly SetElement[];
}

/** A list of elements is one attribute, whose length has 16 bits; the longest element has less than 128 bytes. */
const ELEMENTS_IN_MESSAGE = 256;

/** Flags are numbers in network byte order. */
const INTERVAL_END = Buffer.from([0, 0, 0, NFT_SET_ELEM_INTERVAL_END]);

const messages = {
  add: { call: "NFT_MSG_NEWSETELEM", type: subsystem(NFT_MSG_NEWSETELEM) },
  delete: { call: "NFT_MSG_DELSETELEM", type: subsystem(NFT_MSG_DELSETELEM) },
} as const;

const borders = {
  BEGIN: { call: "NFNL_MSG_BATCH_BEGIN", type: NFNL_MSG_BATCH_BEGIN },
  END: { call: "NFNL_MSG_BATCH_END", type: NFNL_MSG_BATCH_END },
} as const;

/**
 * Changes elements of sets of an `inet` table, in order, in one transaction. Equivalent to: `nft -f -`
 * with `add element inet TABLE SET { ... }` lines, but it asks the kernel for no set before, however many there are.
 *
 * @param socket of openNetfilter.
 * @throws {SyscallError} ENOENT when there is no such set, or an element to delete; EEXIST when a map has the key with
 * other data. Nothing was changed then.
 */
export function changeElements(socket: NetlinkSocket, table: string, changes: readonly SetChange[]): void {
  const requests = changes.flatMap((change) => requestsOf(table, change));
  if (requests.length > 0) socket.transaction(border("BEGIN"), requests, border("END"));
}

/**
 * The elements of a set of an `inet` table; none where there is no such set. Equivalent to: `nft list set inet TABLE SET`.
 *
 * @param socket of openNetfilter.
 * @throws {SyscallError}
 */
export function listElements(socket: NetlinkSocket, table: string, set: string): SetElement[] {
  const body = Buffer.concat([
    nfgenmsg.encode({ nfgen_family: NFPROTO_INET, version: NFNETLINK_V0 }),
    encodeAttribute(NFTA_SET_ELEM_LIST_TABLE, Buffer.from(`${table}\0`)),
    encodeAttribute(NFTA_SET_ELEM_LIST_SET, Buffer.from(`${set}\0`)),
  ]);
  const type = subsystem(NFT_MSG_GETSETELEM);
  try {
    return socket
      .dump({ call: "NFT_MSG_GETSETELEM", object: `${table} ${set}`, type, flags: 0, body })
      .flatMap(decodeElements);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** Reads elements of a set or map, NFT_MSG_NEWSETELEM. */
function decodeElements({ body }: Message): SetElement[] {
  const list = decodeAttributes(body, nfgenmsg.size).get(NFTA_SET_ELEM_LIST_ELEMENTS);
  if (list === undefined) return [];
  return decodeList(list).flatMap((element) => {
    const parts = decodeAttributes(element, 0);
    const value = (type: number): Buffer | undefined => {
      const part = parts.get(type);
      return part && decodeAttributes(part, 0).get(NFTA_DATA_VALUE);
    };
    const [key, last, data] = [value(NFTA_SET_ELEM_KEY), value(NFTA_SET_ELEM_KEY_END), value(NFTA_SET_ELEM_DATA)];
    const flags = parts.get(NFTA_SET_ELEM_FLAGS)?.readUInt32BE(0) ?? 0;
    if (key === undefined) return [];
    const endsInterval = (flags & NFT_SET_ELEM_INTERVAL_END) !== 0;
    return [{ key, ...(last && { last }), ...(data && { data }), ...(endsInterval && { endsInterval }) }];
  });
}

function requestsOf(table: string, { verb, set, elements }: SetChange): Request[] {
  const requests: Request[] = [];
  for (let from = 0; from < elements.length; from += ELEMENTS_IN_MESSAGE) {
    const part = elements.slice(from, from + ELEMENTS_IN_MESSAGE).map((element) => encodeElement(verb, element));
    const body = Buffer.concat([
      nfgenmsg.encode({ nfgen_family: NFPROTO_INET, version: NFNETLINK_V0 }),
      encodeAttribute(NFTA_SET_ELEM_LIST_TABLE, Buffer.from(`${table}\0`)),
      encodeAttribute(NFTA_SET_ELEM_LIST_SET, Buffer.from(`${set}\0`)),
      encodeNested(NFTA_SET_ELEM_LIST_ELEMENTS, ...part),
    ]);
    // "Make it if it is not there": as nft does without `create`.
    requests.push({ ...messages[verb], object: `${table} ${set}`, flags: verb === "add" ? NLM_F_CREATE : 0, body });
  }
  return requests;
}

function encodeElement(verb: SetChange["verb"], { key, last, endsInterval, data }: SetElement): Buffer {
  const value = (type: number, bytes: Buffer): Buffer => encodeNested(type, encodeAttribute(NFTA_DATA_VALUE, bytes));
  const parts = [value(NFTA_SET_ELEM_KEY, key)];
  if (last !== undefined) parts.push(value(NFTA_SET_ELEM_KEY_END, last));
  if (endsInterval) parts.push(encodeAttribute(NFTA_SET_ELEM_FLAGS, INTERVAL_END));
  if (verb === "add" && data !== undefined) parts.push(value(NFTA_SET_ELEM_DATA, data));
  return encodeNested(NFTA_LIST_ELEM, ...parts);
}

function border(which: "BEGIN" | "END"): Request {
  const body = nfgenmsg.encode({ version: NFNETLINK_V0 });
  // In network byte order.
  body.writeUInt16BE(NFNL_SUBSYS_NFTABLES, nfgenmsg.fields.res_id[0]);
  return { ...borders[which], object: "nftables", flags: 0, body };
}

function subsystem(message: number): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | message;
}
