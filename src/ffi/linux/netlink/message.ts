import { decodeCString } from "../../struct.ts";
import {
  NLA_F_NESTED,
  NLA_TYPE_MASK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_ALIGNTO,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
  nlattr,
  nlmsgerr,
  nlmsghdr,
} from "../abi/netlink.ts";

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

/** Headers are written and read by the thousand: where their fields are, in bytes. */
const LENGTH = nlmsghdr.fields.nlmsg_len[0];
const TYPE = nlmsghdr.fields.nlmsg_type[0];
const FLAGS = nlmsghdr.fields.nlmsg_flags[0];
const SEQUENCE = nlmsghdr.fields.nlmsg_seq[0];
const PORT = nlmsghdr.fields.nlmsg_pid[0];
const ATTRIBUTE_LENGTH = nlattr.fields.nla_len[0];
const ATTRIBUTE_TYPE = nlattr.fields.nla_type[0];
/** Where an acknowledgement has its errno. */
const ERROR = nlmsghdr.size + nlmsgerr.fields.error[0];

/** The bytes do not form a message. */
export class NetlinkFormatError extends Error {
  override readonly name = "NetlinkFormatError";
}

/** Rounds a length up to the boundary that headers and attributes are aligned to, NLMSG_ALIGN. */
export function align(length: number): number {
  return (length + NLMSG_ALIGNTO - 1) & ~(NLMSG_ALIGNTO - 1);
}

/** A message, padded: ready to stand in a batch. */
export function encodeMessage(type: number, flags: number, sequence: number, body: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(messageSize(body));
  writeMessage(target, 0, type, flags, sequence, body);
  return target;
}

/** What a message of that body takes, header and padding included, in bytes. */
export function messageSize(body: Uint8Array): number {
  return align(nlmsghdr.size + body.length);
}

/**
 * As {@link encodeMessage}, to a place of a batch.
 *
 * @returns the offset of the next one.
 */
export function writeMessage(
  target: Buffer,
  offset: number,
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
): number {
  const length = nlmsghdr.size + body.length;
  target.writeUInt32LE(length, offset + LENGTH);
  target.writeUInt16LE(type, offset + TYPE);
  target.writeUInt16LE(flags, offset + FLAGS);
  target.writeUInt32LE(sequence, offset + SEQUENCE);
  target.writeUInt32LE(0, offset + PORT);
  target.set(body, offset + nlmsghdr.size);
  return pad(target, offset + length, offset + align(length));
}

/** One attribute, padded. The padding is not counted in its length field. */
export function encodeAttribute(type: number, value: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(attributeSize(value));
  writeAttribute(target, 0, type, value);
  return target;
}

/** What an attribute of that value takes, header and padding included, in bytes. */
export function attributeSize(value: Uint8Array): number {
  return align(nlattr.size + value.length);
}

/**
 * As {@link encodeAttribute}, to a place in a body.
 *
 * @returns the offset of the next one.
 */
export function writeAttribute(target: Buffer, offset: number, type: number, value: Uint8Array): number {
  const length = nlattr.size + value.length;
  target.writeUInt16LE(length, offset + ATTRIBUTE_LENGTH);
  target.writeUInt16LE(type, offset + ATTRIBUTE_TYPE);
  target.set(value, offset + nlattr.size);
  return pad(target, offset + length, offset + align(length));
}

function pad(target: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) target[at] = 0;
  return to;
}

/** An attribute that holds attributes. */
export function encodeNested(type: number, ...children: readonly Uint8Array[]): Buffer {
  return encodeAttribute(type | NLA_F_NESTED, Buffer.concat(children));
}

/** A 32-bit attribute in host byte order. */
export function encodeU32(type: number, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
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
    const ends = type === NLMSG_DONE || type === NLMSG_ERROR;
    if (ends && data.readUInt32LE(offset + SEQUENCE) === sequence) return true;
    offset += align(length);
  }
  return false;
}

/** Is what one recv(2) returned the ACK of that request, which succeeded, and nothing else? The usual answer. */
export function isSuccess(data: Buffer, sequence: number): boolean {
  return (
    data.length >= nlmsghdr.size + nlmsgerr.size &&
    data.readUInt32LE(LENGTH) === data.length &&
    data.readUInt16LE(TYPE) === NLMSG_ERROR &&
    data.readUInt32LE(SEQUENCE) === sequence &&
    data.readInt32LE(ERROR) === 0
  );
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
    const length = data.readUInt16LE(at + ATTRIBUTE_LENGTH);
    if (length < nlattr.size || at + length > data.length)
      throw new NetlinkFormatError(`netlink attribute: length ${length} at ${at} of ${data.length}`);
    attributes.set(
      data.readUInt16LE(at + ATTRIBUTE_TYPE) & NLA_TYPE_MASK,
      data.subarray(at + nlattr.size, at + length),
    );
    at += align(length);
  }
  return attributes;
}

/** The attributes of a list, which all have one type, in order. @throws {NetlinkFormatError} */
export function decodeList(data: Buffer): Buffer[] {
  const items: Buffer[] = [];
  for (let at = 0; at + nlattr.size <= data.length; ) {
    const length = data.readUInt16LE(at + ATTRIBUTE_LENGTH);
    if (length < nlattr.size || at + length > data.length)
      throw new NetlinkFormatError(`netlink attribute: length ${length} at ${at} of ${data.length}`);
    items.push(data.subarray(at + nlattr.size, at + length));
    at += align(length);
  }
  return items;
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
    if (type === NLMSG_DONE) return { errno: 0, text: undefined };
    throw new NetlinkFormatError(`netlink error message: ${body.length} bytes`);
  }
  const errno = Math.abs(body.readInt32LE(0));
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  const text = decodeAttributes(body, attributesOffset(message)).get(NLMSGERR_ATTR_MSG);
  return { errno, text: text && decodeCString(text) };
}

/** In an error message the request comes first: its header alone when the kernel capped it, else all of it. */
function attributesOffset({ body, flags, type }: Message): number {
  if (type === NLMSG_DONE) return 4;
  if ((flags & NLM_F_CAPPED) !== 0) return nlmsgerr.size;
  const length = nlmsgerr.decode(body).msg.nlmsg_len;
  if (4 + length > body.length)
    throw new NetlinkFormatError(`netlink error message: request of ${length} bytes in ${body.length}`);
  return 4 + align(length);
}
