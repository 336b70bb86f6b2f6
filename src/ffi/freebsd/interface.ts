import { isErrno } from "../errno.ts";
import { decodeCString, encodeCString } from "../struct.ts";
import {
  BRDGADD,
  BRDGDEL,
  IFF_UP,
  ifbreq,
  ifdrv,
  ifreq,
  SIOCGIFDESCR,
  SIOCGIFFLAGS,
  SIOCSDRVSPEC,
  SIOCSIFDESCR,
  SIOCSIFFLAGS,
  SIOCSIFRVNET,
  SIOCSIFVNET,
} from "./abi/interface.ts";
import { type IoctlCall, interfaceIoctl } from "./control.ts";

/** First guess at a description's size, in bytes with its NUL. */
const DESCRIPTION_SIZE = 256;
const bufferAt = ifreq.fields.ifr_buffer[0] + 8;

/** The call that reads an interface's flags. */
export function encodeFlagsQuery(name: string): IoctlCall {
  return { ioctl: SIOCGIFFLAGS, object: name, argument: ifreq.encode({ ifr_name: name }) };
}

/** The call that sets all flags of an interface, 32 bits. */
export function encodeFlags(name: string, flags: number): IoctlCall {
  const argument = ifreq.encode({ ifr_name: name, ifr_flags: flags & 0xffff, ifr_flagshigh: flags >>> 16 });
  return { ioctl: SIOCSIFFLAGS, object: `${name} 0x${(flags >>> 0).toString(16)}`, argument };
}

/** Reads the flags out of the answer. */
export function decodeFlags(argument: Buffer): number {
  const { ifr_flags, ifr_flagshigh } = ifreq.decode(argument);
  return ifr_flagshigh * 0x10000 + ifr_flags;
}

/** The call that sets a description, or clears it when empty. */
export function encodeDescription(name: string, description: string): IoctlCall {
  const data = description === "" ? Buffer.alloc(0) : encodeCString(description, "interface description");
  return {
    ioctl: SIOCSIFDESCR,
    object: `${name} "${description}"`,
    argument: ifreq.encode({ ifr_name: name, ifr_buffer: { length: BigInt(data.length) } }),
    ...(data.length > 0 && { pointee: { at: bufferAt, data } }),
  };
}

/** The call that reads a description into `size` bytes. */
export function encodeDescriptionQuery(name: string, size: number): IoctlCall {
  return {
    ioctl: SIOCGIFDESCR,
    object: name,
    argument: ifreq.encode({ ifr_name: name, ifr_buffer: { length: BigInt(size) } }),
    pointee: { at: bufferAt, data: Buffer.alloc(size) },
  };
}

/** The call that moves an interface into a vnet jail. */
export function encodeVnetMove(name: string, jid: number): IoctlCall {
  return {
    ioctl: SIOCSIFVNET,
    object: `${name} jail ${jid}`,
    argument: ifreq.encode({ ifr_name: name, ifr_jid: jid }),
  };
}

function encodeBridgeMember(bridge: string, member: string, command: number, verb: string): IoctlCall {
  return {
    ioctl: SIOCSDRVSPEC,
    object: `${bridge} ${verb} ${member}`,
    argument: ifdrv.encode({ ifd_name: bridge, ifd_cmd: BigInt(command), ifd_len: BigInt(ifbreq.size) }),
    pointee: { at: ifdrv.fields.ifd_data[0], data: ifbreq.encode({ ifbr_ifsname: member }) },
  };
}

/** The call that makes an interface a member of a bridge. */
export function encodeBridgeAddition(bridge: string, member: string): IoctlCall {
  return encodeBridgeMember(bridge, member, BRDGADD, "addm");
}

/** The call that takes a member out of a bridge. */
export function encodeBridgeRemoval(bridge: string, member: string): IoctlCall {
  return encodeBridgeMember(bridge, member, BRDGDEL, "deletem");
}

/** Flags of an interface, IFF_* of net/if.h; SIOCGIFFLAGS. @throws {SyscallError} ENXIO when there is none. */
export function interfaceFlags(name: string): number {
  return decodeFlags(interfaceIoctl(encodeFlagsQuery(name)).argument);
}

/** Brings an interface up, or down, and leaves its other flags; SIOCSIFFLAGS. @throws {SyscallError} ENXIO. */
export function setInterfaceUp(name: string, up = true): void {
  const flags = interfaceFlags(name);
  interfaceIoctl(encodeFlags(name, up ? flags | IFF_UP : flags & ~IFF_UP));
}

/**
 * Describes an interface, SIOCSIFDESCR; the empty string takes the description away.
 *
 * @throws {SyscallError} ENAMETOOLONG beyond the sysctl net.ifdescr_maxlen (1024 bytes), ENXIO when there is none.
 */
export function setInterfaceDescription(name: string, description: string): void {
  interfaceIoctl(encodeDescription(name, description));
}

/** The description of an interface, empty when it has none; SIOCGIFDESCR. @throws {SyscallError} ENXIO. */
export function interfaceDescription(name: string): string {
  for (let size = DESCRIPTION_SIZE; ; ) {
    try {
      const { argument, pointee } = interfaceIoctl(encodeDescriptionQuery(name, size));
      const needed = Number(ifreq.decode(argument).ifr_buffer.length);
      if (needed <= size) return decodeCString(pointee);
      size = needed;
    } catch (error) {
      if (isErrno(error, "ENOMSG")) return "";
      throw error;
    }
  }
}

/** Moves an interface into a jail with its own network stack, SIOCSIFVNET. @throws {SyscallError} ENXIO. */
export function moveToVnet(name: string, jid: number): void {
  interfaceIoctl(encodeVnetMove(name, jid));
}

/** Takes an interface back out of a jail with its own network stack, SIOCSIFRVNET. @throws {SyscallError} ENXIO. */
export function reclaimFromVnet(name: string, jid: number): void {
  interfaceIoctl({ ...encodeVnetMove(name, jid), ioctl: SIOCSIFRVNET });
}

/** Makes an interface a member of a bridge, if_bridge(4). @throws {SyscallError} EBUSY when it is in another one. */
export function addBridgeMember(bridge: string, member: string): void {
  interfaceIoctl(encodeBridgeAddition(bridge, member));
}

/** Takes a member out of a bridge, if_bridge(4). @throws {SyscallError} ENOENT when it is no member. */
export function removeBridgeMember(bridge: string, member: string): void {
  interfaceIoctl(encodeBridgeRemoval(bridge, member));
}
