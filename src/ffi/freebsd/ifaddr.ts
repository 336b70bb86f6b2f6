import { encodeInet, encodeInet6, isIPv6, netmask } from "../inet.ts";
import {
  IN6_IFF_NODAD,
  ifreq,
  in_aliasreq,
  in6_aliasreq,
  in6_ifreq,
  ND6_INFINITE_LIFETIME,
  SIOCAIFADDR,
  SIOCAIFADDR_IN6,
  SIOCDIFADDR,
  SIOCDIFADDR_IN6,
} from "./abi/interface.ts";
import { AF_INET, AF_INET6, sockaddr_in, sockaddr_in6 } from "./abi/socket.ts";
import { type IoctlCall, interfaceIoctl } from "./control.ts";

/** An address of an interface. */
export interface Alias {
  readonly interface: string;
  /** IPv4 or IPv6 address, without prefix length or zone. */
  readonly address: string;
  /** Bits; 32 or 128 unless told: the address alone. */
  readonly prefixLength?: number;
  /** IPv4 broadcast address of the subnet; the kernel computes it unless told. */
  readonly broadcast?: string;
  /** IPv6: use the address at once, with no duplicate address detection. */
  readonly withoutDad?: boolean;
}

function inet(address: Buffer) {
  return { sin_len: sockaddr_in.size, sin_family: AF_INET, sin_addr: address };
}

function inet6(address: Buffer) {
  return { sin6_len: sockaddr_in6.size, sin6_family: AF_INET6, sin6_addr: address };
}

/**
 * The call that adds an address. The mask is always sent: without one the kernel would guess it from the address class.
 *
 * @throws {AddressError} for an address or a prefix length that is none; {FieldError} when the interface name does not fit.
 */
export function encodeAlias(alias: Alias): IoctlCall {
  const { interface: name, address, broadcast } = alias;
  if (isIPv6(address)) {
    const prefixLength = alias.prefixLength ?? 128;
    return {
      ioctl: SIOCAIFADDR_IN6,
      object: `${name} ${address}/${prefixLength}`,
      family: AF_INET6,
      argument: in6_aliasreq.encode({
        ifra_name: name,
        ifra_addr: inet6(encodeInet6(address)),
        ifra_prefixmask: inet6(netmask(prefixLength, 16)),
        ifra_flags: alias.withoutDad ? IN6_IFF_NODAD : 0,
        ifra_lifetime: { ia6t_vltime: ND6_INFINITE_LIFETIME, ia6t_pltime: ND6_INFINITE_LIFETIME },
      }),
    };
  }
  const prefixLength = alias.prefixLength ?? 32;
  return {
    ioctl: SIOCAIFADDR,
    object: `${name} ${address}/${prefixLength}`,
    family: AF_INET,
    argument: in_aliasreq.encode({
      ifra_name: name,
      ifra_addr: inet(encodeInet(address)),
      ...(broadcast !== undefined && { ifra_broadaddr: inet(encodeInet(broadcast)) }),
      ifra_mask: inet(netmask(prefixLength, 4)),
    }),
  };
}

/**
 * The call that removes an address. It always names the address in full: given a request without one, the kernel
 * deletes the interface's first.
 *
 * @throws {AddressError} for an address that is none; {FieldError} when the interface name does not fit.
 */
export function encodeAliasRemoval(name: string, address: string): IoctlCall {
  const object = `${name} ${address}`;
  if (isIPv6(address)) {
    const argument = in6_ifreq.encode({ ifr_name: name, ifr_addr: inet6(encodeInet6(address)) });
    return { ioctl: SIOCDIFADDR_IN6, object, family: AF_INET6, argument };
  }
  const argument = ifreq.encode({ ifr_name: name, ifr_addr: inet(encodeInet(address)) });
  return { ioctl: SIOCDIFADDR, object, family: AF_INET, argument };
}

/**
 * Adds an address to an interface, SIOCAIFADDR or SIOCAIFADDR_IN6 (netintro(4)), and brings the interface up. Adding an
 * IPv4 address that is there deletes and creates it anew.
 *
 * @throws {SyscallError} ENXIO when there is no such interface.
 */
export function addAlias(alias: Alias): void {
  interfaceIoctl(encodeAlias(alias));
}

/**
 * Removes an address from an interface, SIOCDIFADDR or SIOCDIFADDR_IN6 (netintro(4)).
 *
 * @throws {SyscallError} EADDRNOTAVAIL when the interface does not have it, ENXIO when there is no such interface.
 */
export function removeAlias(name: string, address: string): void {
  interfaceIoctl(encodeAliasRemoval(name, address));
}
