import { formatLinkAddress } from "../ethernet.ts";
import { formatAddress, prefixLengthOf } from "../inet.ts";
import { IFF_LOOPBACK, IFF_POINTOPOINT, IFF_UP, IFNAMSIZ, ifaddrs } from "./abi/interface.ts";
import { AF_INET, AF_INET6, AF_LINK, sockaddr, sockaddr_dl, sockaddr_in, sockaddr_in6 } from "./abi/socket.ts";
import { cFunction, readCString, readMemory, syscall } from "./libc.ts";

const getifaddrs = cFunction<[Buffer], number>("int getifaddrs(void *ifap)");
const freeifaddrs = cFunction<[bigint], void>("void freeifaddrs(void *ifa)");

/** An address of an interface. */
export interface InterfaceAddress {
  readonly family: "inet" | "inet6";
  readonly address: string;
  /** Bits. */
  readonly prefixLength: number;
  /** Broadcast address, or the peer of a point-to-point interface. */
  readonly destination: string | undefined;
  /** Interface index that a link-local address belongs to; 0 for any other address. */
  readonly scopeId: number;
}

/** A network interface with its addresses, in the kernel's order. */
export interface NetworkInterface {
  readonly name: string;
  readonly index: number;
  /** IFF_* of net/if.h. */
  readonly flags: number;
  readonly up: boolean;
  readonly loopback: boolean;
  readonly pointToPoint: boolean;
  /** Hardware address, `02:00:5e:00:53:01`, where it has one. */
  readonly linkAddress: string | undefined;
  readonly addresses: readonly InterfaceAddress[];
}

/** One element of getifaddrs(3), with its sockaddrs copied out; a sockaddr is as long as its sa_len. */
export interface RawInterfaceAddress {
  readonly name: string;
  readonly flags: number;
  readonly address: Buffer | undefined;
  readonly netmask: Buffer | undefined;
  readonly destination: Buffer | undefined;
}

/** Gathers the elements of getifaddrs(3) by interface. Address families other than IP are passed over. */
export function decodeInterfaces(entries: readonly RawInterfaceAddress[]): NetworkInterface[] {
  const interfaces = new Map<string, NetworkInterface & { readonly addresses: InterfaceAddress[] }>();
  for (const entry of entries) {
    const known = interfaces.get(entry.name) ?? {
      name: entry.name,
      index: 0,
      flags: entry.flags,
      up: (entry.flags & IFF_UP) !== 0,
      loopback: (entry.flags & IFF_LOOPBACK) !== 0,
      pointToPoint: (entry.flags & IFF_POINTOPOINT) !== 0,
      linkAddress: undefined,
      addresses: [],
    };
    const family = familyOf(entry.address);
    if (family === AF_LINK) interfaces.set(entry.name, { ...known, ...decodeLink(entry.address) });
    else interfaces.set(entry.name, known);
    const address = family === AF_INET ? decodeInet(entry) : family === AF_INET6 ? decodeInet6(entry) : undefined;
    if (address !== undefined) known.addresses.push(address);
  }
  return [...interfaces.values()];
}

function familyOf(address: Buffer | undefined): number | undefined {
  return address?.[sockaddr.fields.sa_family[0]];
}

/** The kernel cuts trailing zeros off sockaddrs, of netmasks above all. */
function padded(address: Buffer | undefined, size: number): Buffer {
  const whole = Buffer.alloc(size);
  address?.copy(whole);
  return whole;
}

function decodeLink(address: Buffer | undefined): Pick<NetworkInterface, "index" | "linkAddress"> {
  const { sdl_index, sdl_nlen, sdl_alen, sdl_data } = sockaddr_dl.decode(padded(address, sockaddr_dl.size));
  const link = sdl_data.subarray(sdl_nlen, sdl_nlen + sdl_alen);
  return {
    index: sdl_index,
    linkAddress: link.length === 0 ? undefined : formatLinkAddress(link),
  };
}

function decodeInet({ address, netmask, destination }: RawInterfaceAddress): InterfaceAddress {
  const text = (from: Buffer | undefined) => formatAddress(sockaddr_in.decode(padded(from, sockaddr_in.size)).sin_addr);
  return {
    family: "inet",
    address: text(address),
    prefixLength: prefixLengthOf(sockaddr_in.decode(padded(netmask, sockaddr_in.size)).sin_addr),
    destination: familyOf(destination) === AF_INET ? text(destination) : undefined,
    scopeId: 0,
  };
}

function decodeInet6({ address, netmask, destination }: RawInterfaceAddress): InterfaceAddress {
  const read = (from: Buffer | undefined) => unscope(sockaddr_in6.decode(padded(from, sockaddr_in6.size)));
  const { bytes, scopeId } = read(address);
  return {
    family: "inet6",
    address: formatAddress(bytes),
    prefixLength: prefixLengthOf(sockaddr_in6.decode(padded(netmask, sockaddr_in6.size)).sin6_addr),
    destination: familyOf(destination) === AF_INET6 ? formatAddress(read(destination).bytes) : undefined,
    scopeId,
  };
}

/** Within the kernel a link-local address carries its interface index in bytes 2 and 3; libc takes it out, mostly. */
function unscope(from: { readonly sin6_addr: Buffer; readonly sin6_scope_id: number }): {
  bytes: Buffer;
  scopeId: number;
} {
  const bytes = Buffer.from(from.sin6_addr);
  const linkLocal = bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
  if (!linkLocal) return { bytes, scopeId: from.sin6_scope_id };
  const embedded = bytes.readUInt16BE(2);
  bytes.writeUInt16BE(0, 2);
  return { bytes, scopeId: from.sin6_scope_id || embedded };
}

function readSockaddr(address: bigint): Buffer | undefined {
  if (address === 0n) return undefined;
  return readMemory(address, readMemory(address, 1)[0] ?? 0);
}

/** Interfaces and their addresses, getifaddrs(3). @throws {SyscallError} */
export function listInterfaces(): NetworkInterface[] {
  const list = Buffer.alloc(8);
  syscall({ call: "getifaddrs", object: "" }, () => getifaddrs(list));
  const head = list.readBigUInt64LE(0);
  try {
    const entries: RawInterfaceAddress[] = [];
    for (let at = head; at !== 0n; ) {
      const entry = ifaddrs.decode(readMemory(at, ifaddrs.size));
      entries.push({
        name: readCString(entry.ifa_name, IFNAMSIZ),
        flags: entry.ifa_flags,
        address: readSockaddr(entry.ifa_addr),
        netmask: readSockaddr(entry.ifa_netmask),
        destination: readSockaddr(entry.ifa_dstaddr),
      });
      at = entry.ifa_next;
    }
    return decodeInterfaces(entries);
  } finally {
    if (head !== 0n) freeifaddrs(head);
  }
}
