import { ioctl, iow, iowr } from "../../ioc.ts";
import { cString, i32, i64, pointer, struct, u16, u32, u64 } from "../../struct.ts";
import { sockaddr_in, sockaddr_in6 } from "./socket.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = [
  "sys/types.h",
  "sys/socket.h",
  "sys/sockio.h",
  "net/if.h",
  "netinet/in.h",
  "netinet/in_var.h",
  "netinet6/in6_var.h",
  "netinet6/nd6.h",
  "net/ethernet.h",
  "net/if_bridgevar.h",
  "ifaddrs.h",
] as const;

/** Size of an interface name with its NUL. */
export const IFNAMSIZ = 16;
export const IFF_UP = 0x1;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
/** A lifetime in seconds that never ends. */
export const ND6_INFINITE_LIFETIME = 0xffffffff;
/** No duplicate address detection: the address is usable at once. */
export const IN6_IFF_NODAD = 0x20;
export const BRDGADD = 0;
export const BRDGDEL = 1;

/** Buffer with its length, of descriptions. */
export const ifreq_buffer = struct("struct ifreq_buffer", "net/if.h", 16, {
  length: [0, u64],
  buffer: [8, pointer],
});

/** Interface request. All fields from offset 16 are one union; the sockaddr of `ifr_addr` is a sockaddr_in here. */
export const ifreq = struct("struct ifreq", "net/if.h", 32, {
  ifr_name: [0, cString(IFNAMSIZ)],
  ifr_addr: [16, sockaddr_in],
  ifr_buffer: [16, ifreq_buffer],
  ifr_flags: [16, u16],
  ifr_flagshigh: [18, u16],
  ifr_jid: [16, i32],
  ifr_data: [16, pointer],
});

export const in_aliasreq = struct("struct in_aliasreq", "netinet/in_var.h", 68, {
  ifra_name: [0, cString(IFNAMSIZ)],
  ifra_addr: [16, sockaddr_in],
  ifra_broadaddr: [32, sockaddr_in],
  ifra_mask: [48, sockaddr_in],
  ifra_vhid: [64, i32],
});

export const in6_addrlifetime = struct("struct in6_addrlifetime", "netinet6/in6_var.h", 24, {
  ia6t_expire: [0, i64],
  ia6t_preferred: [8, i64],
  ia6t_vltime: [16, u32],
  ia6t_pltime: [20, u32],
});

export const in6_aliasreq = struct("struct in6_aliasreq", "netinet6/in6_var.h", 136, {
  ifra_name: [0, cString(IFNAMSIZ)],
  ifra_addr: [16, sockaddr_in6],
  ifra_dstaddr: [44, sockaddr_in6],
  ifra_prefixmask: [72, sockaddr_in6],
  ifra_flags: [100, u32],
  ifra_lifetime: [104, in6_addrlifetime],
  ifra_vhid: [128, i32],
});

export const in6_ifreq = struct("struct in6_ifreq", "netinet6/in6_var.h", 288, {
  ifr_name: [0, cString(IFNAMSIZ)],
  ifr_addr: [16, sockaddr_in6],
});

/** Group request. `ifgr_group` and `ifgr_groups` are one union; for SIOCGIFGMEMB `ifgr_name` is the group. */
export const ifgroupreq = struct("struct ifgroupreq", "net/if.h", 40, {
  ifgr_name: [0, cString(IFNAMSIZ)],
  ifgr_len: [16, u32],
  ifgr_group: [24, cString(IFNAMSIZ)],
  ifgr_groups: [24, pointer],
});

/** An element of `ifgr_groups`: a group's name, or a member's; one union. */
export const ifg_req = struct("struct ifg_req", "net/if.h", 16, {
  ifgrq_group: [0, cString(IFNAMSIZ)],
  ifgrq_member: [0, cString(IFNAMSIZ)],
});

/** Driver-specific command. */
export const ifdrv = struct("struct ifdrv", "net/if.h", 40, {
  ifd_name: [0, cString(IFNAMSIZ)],
  ifd_cmd: [16, u64],
  ifd_len: [24, u64],
  ifd_data: [32, pointer],
});

/** Bridge request; only the member's name is needed to add or delete one. */
export const ifbreq = struct("struct ifbreq", "net/if_bridgevar.h", 80, {
  ifbr_ifsname: [0, cString(IFNAMSIZ)],
  ifbr_ifsflags: [16, u32],
});

/** Element of the list that getifaddrs(3) returns. */
export const ifaddrs = struct("struct ifaddrs", "ifaddrs.h", 56, {
  ifa_next: [0, pointer],
  ifa_name: [8, pointer],
  ifa_flags: [16, u32],
  ifa_addr: [24, pointer],
  ifa_netmask: [32, pointer],
  ifa_dstaddr: [40, pointer],
  ifa_data: [48, pointer],
});

export const SIOCSIFFLAGS = ioctl("SIOCSIFFLAGS", "sys/sockio.h", iow("i", 16, ifreq));
export const SIOCGIFFLAGS = ioctl("SIOCGIFFLAGS", "sys/sockio.h", iowr("i", 17, ifreq));
export const SIOCDIFADDR = ioctl("SIOCDIFADDR", "sys/sockio.h", iow("i", 25, ifreq));
export const SIOCSIFNAME = ioctl("SIOCSIFNAME", "sys/sockio.h", iow("i", 40, ifreq));
export const SIOCSIFDESCR = ioctl("SIOCSIFDESCR", "sys/sockio.h", iow("i", 41, ifreq));
export const SIOCGIFDESCR = ioctl("SIOCGIFDESCR", "sys/sockio.h", iowr("i", 42, ifreq));
export const SIOCAIFADDR = ioctl("SIOCAIFADDR", "sys/sockio.h", iow("i", 43, in_aliasreq));
export const SIOCSIFVNET = ioctl("SIOCSIFVNET", "sys/sockio.h", iowr("i", 90, ifreq));
export const SIOCSIFRVNET = ioctl("SIOCSIFRVNET", "sys/sockio.h", iowr("i", 91, ifreq));
export const SIOCIFDESTROY = ioctl("SIOCIFDESTROY", "sys/sockio.h", iow("i", 121, ifreq));
export const SIOCSDRVSPEC = ioctl("SIOCSDRVSPEC", "sys/sockio.h", iow("i", 123, ifdrv));
export const SIOCIFCREATE2 = ioctl("SIOCIFCREATE2", "sys/sockio.h", iowr("i", 124, ifreq));
export const SIOCAIFGROUP = ioctl("SIOCAIFGROUP", "sys/sockio.h", iow("i", 135, ifgroupreq));
export const SIOCGIFGROUP = ioctl("SIOCGIFGROUP", "sys/sockio.h", iowr("i", 136, ifgroupreq));
export const SIOCDIFGROUP = ioctl("SIOCDIFGROUP", "sys/sockio.h", iow("i", 137, ifgroupreq));
export const SIOCGIFGMEMB = ioctl("SIOCGIFGMEMB", "sys/sockio.h", iowr("i", 138, ifgroupreq));
export const SIOCDIFADDR_IN6 = ioctl("SIOCDIFADDR_IN6", "netinet6/in6_var.h", iow("i", 25, in6_ifreq));
export const SIOCAIFADDR_IN6 = ioctl("SIOCAIFADDR_IN6", "netinet6/in6_var.h", iow("i", 27, in6_aliasreq));
