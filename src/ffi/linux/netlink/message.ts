import { decodeCString } from "../../struct.ts";
import { constants as nl, nlattr, nlmsgerr, nlmsghdr } from "../abi/netlink.ts";

/** One netlink message as received. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** All after the header: the family's own header, then attributes. */
  readonly body: Buffer;
}

/** Attributes by type, without the flag bits; of a type that occurs twice the last one stands. */
export type Attributes = ReadonlyMap<number, Buffer>;

/** What an NLMSG_ERROR message tells. */
export interface Acknowledgement {
  /** 0: success; else the kernel's positive number. */
  readonly errno: number;
  /** The kernel's own words, from the extended ACK. */
  readonly text: string | undefined;
}

/** Thousands of headers are read at once: where the fields of one are, in bytes. */
const LENGTH = nlmsghdr.fields.nlmsg_len[0];
const TYPE = nlmsghdr.fields.nlmsg_type[0];
const FLAGS = nlmsghdr.fields.nlmsg_flags[0];
const SEQUENCE = nlmsghdr.fields.nlmsg_seq[0];

/** The bytes do not form a message. */
export class NetlinkFormatError extends Error {
  override readonly name = "NetlinkFormatError";
}

/** Rounds a length up to the boundary that headers and attributes are aligned to, NLMSG_ALIGN. */
export function align(length: number): number {
  return (length + nl.NLMSG_ALIGNTO - 1) & ~(nl.NLMSG_ALIGNTO - 1);
}

/** A message, padded: ready to stand in a batch. */
export function encodeMessage(type: number, flags: number, sequence: number, body: Uint8Array): Buffer {
  const length = nlmsghdr.size + body.length;
  const target = Buffer.alloc(align(length));
  nlmsghdr.write(
    target,
    0,
    { nlmsg_len: length, nlmsg_type: type, nlmsg_flags: flags, nlmsg_seq: sequence },
    nlmsghdr.cName,
  );
  target.set(body, nlmsghdr.size);
  return target;
}

/** One attribute, padded. The padding is not counted in its length field. */
export function encodeAttribute(type: number, value: Uint8Array): Buffer {
  const length = nlattr.size + value.length;
  const target = Buffer.alloc(align(length));
  nlattr.write(target, 0, { nla_len: length, nla_type: type }, nlattr.cName);
  target.set(value, nlattr.size);
  return target;
}

/** An attribute that holds attributes. */
export function encodeNested(type: number, ...children: readonly Uint8Array[]): Buffer {
  return encodeAttribute(type | nl.NLA_F_NESTED, Buffer.concat(children));
}

/** A 32-bit attribute in host byte order. */
export function encodeU32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return encodeAttribute(type, bytes);
}

/**
 * The value of a 32-bit attribute.
 *
 * @throws {NetlinkFormatError} when it is shorter.
 */
export function decodeU32(value: Buffer): number {
  if (value.length < 4) throw new NetlinkFormatError(`netlink attribute: ${value.length} bytes for 32 bits`);
  return value.readUInt32LE(0);
}

/**
 * Splits what one recv(2) returned into its messages.
 *
 * @throws {NetlinkFormatError} when a length does not fit.
 */
export function decodeMessages(data: Buffer): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset < data.length; ) {
    const length = lengthOfMessage(data, offset);
    messages.push({
      type: data.readUInt16LE(offset + TYPE),
      flags: data.readUInt16LE(offset + FLAGS),
      sequence: data.readUInt32LE(offset + SEQUENCE),
      body: data.subarray(offset + nlmsghdr.size, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * Does what one recv(2) returned hold the end of the dump of that number: NLMSG_DONE, or the error of one that fails?
 *
 * @throws {NetlinkFormatError} when a length does not fit.
 */
export function endsDump(data: Buffer, sequence: number): boolean {
  for (let offset = 0; offset < data.length; ) {
    const length = lengthOfMessage(data, offset);
    const type = data.readUInt16LE(offset + TYPE);
    const ends = type === nl.NLMSG_DONE || type === nl.NLMSG_ERROR;
    if (ends && data.readUInt32LE(offset + SEQUENCE) === sequence) return true;
    offset += align(length);
  }
  return false;
}

function lengthOfMessage(data: Buffer, offset: number): number {
  if (offset + nlmsghdr.size > data.length) throw new NetlinkFormatError("netlink message: header cut off");
  const length = data.readUInt32LE(offset + LENGTH);
  if (length < nlmsghdr.size || offset + length > data.length)
    throw new NetlinkFormatError(`netlink message: length ${length} at ${offset} of ${data.length}`);
  return length;
}

/**
 * @param offset where the attributes begin in `data`: after the family's own header.
 * @throws {NetlinkFormatError} when a length does not fit.
 */
export function decodeAttributes(data: Buffer, offset = 0): Attributes {
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at + nlattr.size <= data.length; ) {
    const length = data.readUInt16LE(at);
    if (length < nlattr.size || at + length > data.length)
      throw new NetlinkFormatError(`netlink attribute: length ${length} at ${at} of ${data.length}`);
    attributes.set(data.readUInt16LE(at + 2) & nl.NLA_TYPE_MASK, data.subarray(at + nlattr.size, at + length));
    at += align(length);
  }
  return attributes;
}

/**
 * Reads an NLMSG_ERROR, or the NLMSG_DONE that ends a dump: both begin with the negative errno.
 *
 * @throws {NetlinkFormatError}
 */
export function decodeAcknowledgement(message: Message): Acknowledgement {
  const { body, flags, type } = message;
  if (body.length < 4) {
    // Before Linux 2.6.24 a dump's end carried no status.
    if (type === nl.NLMSG_DONE) return { errno: 0, text: undefined };
    throw new NetlinkFormatError(`netlink error message: ${body.length} bytes`);
  }
  const errno = Math.abs(body.readInt32LE(0));
  if ((flags & nl.NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  const text = decodeAttributes(body, attributesOffset(message)).get(nl.NLMSGERR_ATTR_MSG);
  return { errno, text: text && decodeCString(text) };
}

/** In an error message the request comes first: its header alone when the kernel capped it, else all of it. */
function attributesOffset({ body, flags, type }: Message): number {
  if (type === nl.NLMSG_DONE) return 4;
  if ((flags & nl.NLM_F_CAPPED) !== 0) return nlmsgerr.size;
  const length = nlmsgerr.decode(body).msg.nlmsg_len;
  if (4 + length > body.length)
    throw new NetlinkFormatError(`netlink error message: request of ${length} bytes in ${body.length}`);
  return 4 + align(length);
}
