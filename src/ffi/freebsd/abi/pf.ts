import { io, ioctl, iowr } from "../../ioc.ts";
import { arrayOf, bytes, cString, i32, pointer, struct, u8, u16, u16be, u32, u64 } from "../../struct.ts";
import { IFNAMSIZ } from "./interface.ts";
import { MAXPATHLEN } from "./param.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = [
  "sys/types.h",
  "sys/param.h",
  "sys/socket.h",
  "sys/ioccom.h",
  "net/if.h",
  "netinet/in.h",
  "netinet/in_systm.h",
  "netinet/ip.h",
  "netinet/ip_icmp.h",
  "netinet/tcp.h",
  "netinet/icmp6.h",
  "net/pfvar.h",
] as const;

export const PF_TABLE_NAME_SIZE = 32;
export const PF_RULE_LABEL_SIZE = 64;
export const PF_TAG_NAME_SIZE = 64;
export const PF_ANCHOR_NAME_SIZE = 64;

/** Direction of a rule; PF_INOUT is either. */
export const PF_INOUT = 0;
/** sys/netpfil/pf/pf.h: log packets. */
export const PF_LOG = 0x01;
export const PF_IN = 1;
export const PF_OUT = 2;
/** What a rule does, and by that which of an anchor's rulesets it is in. */
export const PF_PASS = 0;
export const PF_DROP = 1;
export const PF_NAT = 4;
export const PF_NONAT = 5;
export const PF_RDR = 8;
export const PF_NORDR = 9;
/** The rulesets of an anchor, as transactions name them. */
export const PF_RULESET_FILTER = 1;
export const PF_RULESET_NAT = 2;
export const PF_RULESET_RDR = 4;
export const PF_RULESET_TABLE = 6;
/** What DIOCCHANGERULE does. */
export const PF_CHANGE_ADD_HEAD = 1;
export const PF_CHANGE_ADD_TAIL = 2;
export const PF_CHANGE_REMOVE = 5;
export const PF_CHANGE_GET_TICKET = 6;
/** Kinds of `struct pf_addr_wrap`. */
export const PF_ADDR_ADDRMASK = 0;
export const PF_ADDR_DYNIFTL = 2;
export const PF_ADDR_TABLE = 3;
/** How one or two ports are compared. */
export const PF_OP_NONE = 0;
export const PF_OP_EQ = 2;
/** First to last, both included. */
export const PF_OP_RRG = 9;
/** How an address is picked out of several. */
export const PF_POOL_NONE = 0;
export const PF_POOL_ROUNDROBIN = 4;
/** Remember the connections that a rule passed. */
export const PF_STATE_NORMAL = 1;
/** A blocked packet is answered with an ICMP error. */
export const PFRULE_RETURNICMP = 0x4;
/** A blocked packet is answered, with RST or ICMP. */
export const PFRULE_RETURN = 0x8;
export const PFR_TFLAG_PERSIST = 0x1;
export const PFR_TFLAG_ACTIVE = 0x4;
export const PFR_FLAG_ADDRSTOO = 0x10;
/** Packets on this interface are not filtered. */
export const PFI_IFLAG_SKIP = 0x100;
export const TH_SYN = 0x2;
export const TH_ACK = 0x10;
export const ICMP_UNREACH = 3;
export const ICMP_UNREACH_FILTER_PROHIB = 13;
export const ICMP6_DST_UNREACH = 1;
export const ICMP6_DST_UNREACH_ADMIN = 1;
export const ND_NEIGHBOR_SOLICIT = 135;
export const ND_NEIGHBOR_ADVERT = 136;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ICMPV6 = 58;

const name = cString(IFNAMSIZ);
const path = cString(MAXPATHLEN);
const address = bytes(16);

/** An address with its mask, the addresses of an interface, or a table; `v` is one union. */
export const pf_addr_wrap = struct("struct pf_addr_wrap", "netpfil/pf/pf.h", 48, {
  "v.a.addr": [0, address],
  "v.a.mask": [16, address],
  "v.ifname": [0, name],
  "v.tblname": [0, cString(PF_TABLE_NAME_SIZE)],
  "p.dyncnt": [32, i32],
  type: [40, u8],
  iflags: [41, u8],
});

/** An address with ports, in network byte order. */
export const pf_rule_addr = struct("struct pf_rule_addr", "netpfil/pf/pf.h", 56, {
  addr: [0, pf_addr_wrap],
  port: [48, arrayOf(u16be, 2)],
  neg: [52, u8],
  port_op: [53, u8],
});

/** What a translation turns addresses and ports into; the addresses themselves are sent on their own. */
export const pf_pool = struct("struct pf_pool", "netpfil/pf/pf.h", 72, {
  tblidx: [56, i32],
  proxy_port: [60, arrayOf(u16, 2)],
  opts: [64, u8],
});

export const pf_pooladdr = struct("struct pf_pooladdr", "netpfil/pf/pf.h", 88, {
  addr: [0, pf_addr_wrap],
  ifname: [64, name],
});

export const pf_rule = struct("struct pf_rule", "netpfil/pf/pf.h", 976, {
  src: [0, pf_rule_addr],
  dst: [56, pf_rule_addr],
  label: [176, cString(PF_RULE_LABEL_SIZE)],
  ifname: [240, name],
  tagname: [384, cString(PF_TAG_NAME_SIZE)],
  match_tagname: [448, cString(PF_TAG_NAME_SIZE)],
  rpool: [560, pf_pool],
  evaluations: [632, u64],
  packets: [640, arrayOf(u64, 2)],
  bytes: [656, arrayOf(u64, 2)],
  rtableid: [700, i32],
  nr: [820, u32],
  return_icmp: [864, u16],
  return_icmp6: [866, u16],
  rule_flag: [900, u32],
  action: [904, u8],
  direction: [905, u8],
  log: [906, u8],
  quick: [908, u8],
  ifnot: [909, u8],
  match_tag_not: [910, u8],
  natpass: [911, u8],
  keep_state: [912, u8],
  af: [913, u8],
  proto: [914, u8],
  type: [915, u8],
  code: [916, u8],
  flags: [917, u8],
  flagset: [918, u8],
});

/** A rule on its way in or out. Which ruleset of the anchor is meant is told by `rule.action`, not by `action`. */
export const pfioc_rule = struct("struct pfioc_rule", "net/pfvar.h", 3040, {
  action: [0, u32],
  ticket: [4, u32],
  pool_ticket: [8, u32],
  nr: [12, u32],
  anchor: [16, path],
  anchor_call: [1040, path],
  rule: [2064, pf_rule],
});

export const pfioc_pooladdr = struct("struct pfioc_pooladdr", "net/pfvar.h", 1136, {
  action: [0, u32],
  ticket: [4, u32],
  nr: [8, u32],
  r_num: [12, u32],
  r_action: [16, u8],
  r_last: [17, u8],
  af: [18, u8],
  anchor: [19, path],
  addr: [1048, pf_pooladdr],
});

/** One ruleset of a transaction. */
export const pfioc_trans_e = struct("struct pfioc_trans_e", "net/pfvar.h", 1032, {
  rs_num: [0, i32],
  anchor: [4, path],
  ticket: [1028, u32],
});

export const pfioc_trans = struct("struct pfioc_trans", "net/pfvar.h", 16, {
  size: [0, i32],
  esize: [4, i32],
  array: [8, pointer],
});

/** A child of an anchor, by its place among them. */
export const pfioc_ruleset = struct("struct pfioc_ruleset", "net/pfvar.h", 1092, {
  nr: [0, u32],
  path: [4, path],
  name: [1028, cString(PF_ANCHOR_NAME_SIZE)],
});

export const pfr_addr = struct("struct pfr_addr", "net/pfvar.h", 20, {
  pfra_u: [0, address],
  pfra_af: [16, u8],
  pfra_net: [17, u8],
  pfra_not: [18, u8],
  pfra_fback: [19, u8],
});

export const pfr_table = struct("struct pfr_table", "net/pfvar.h", 1064, {
  pfrt_anchor: [0, path],
  pfrt_name: [1024, cString(PF_TABLE_NAME_SIZE)],
  pfrt_flags: [1056, u32],
  pfrt_fback: [1060, u8],
});

export const pfioc_table = struct("struct pfioc_table", "net/pfvar.h", 1104, {
  pfrio_table: [0, pfr_table],
  pfrio_buffer: [1064, pointer],
  pfrio_esize: [1072, i32],
  pfrio_size: [1076, i32],
  pfrio_size2: [1080, i32],
  pfrio_nadd: [1084, i32],
  pfrio_ndel: [1088, i32],
  pfrio_nchange: [1092, i32],
  pfrio_flags: [1096, i32],
  pfrio_ticket: [1100, u32],
});

/** Buffer of packed name-value pairs: what was sent in `len` bytes, what may be answered in `size`. */
export const pfioc_nv = struct("struct pfioc_nv", "net/pfvar.h", 24, {
  data: [0, pointer],
  len: [8, u64],
  size: [16, u64],
});

export const pfioc_iface = struct("struct pfioc_iface", "net/pfvar.h", 40, {
  pfiio_name: [0, name],
  pfiio_buffer: [16, pointer],
  pfiio_esize: [24, i32],
  pfiio_size: [28, i32],
  pfiio_nzero: [32, i32],
  pfiio_flags: [36, i32],
});

/** What pf knows of an interface, or of a group of them; as far as klee reads it. */
export const pfi_kif = struct("struct pfi_kif", "net/pfvar.h", 216, {
  pfik_name: [0, name],
  pfik_flags: [172, u32],
});

const pf = (cName: string, number: number, type: { readonly size: number }) =>
  ioctl(cName, "net/pfvar.h", iowr("D", number, type));

export const DIOCSTART = ioctl("DIOCSTART", "net/pfvar.h", io("D", 1));
export const DIOCSTOP = ioctl("DIOCSTOP", "net/pfvar.h", io("D", 2));
export const DIOCADDRULE = pf("DIOCADDRULE", 4, pfioc_rule);
export const DIOCGETRULES = pf("DIOCGETRULES", 6, pfioc_rule);
export const DIOCGETRULENV = pf("DIOCGETRULENV", 7, pfioc_nv);
export const DIOCGETSTATUSNV = pf("DIOCGETSTATUSNV", 21, pfioc_nv);
export const DIOCCHANGERULE = pf("DIOCCHANGERULE", 26, pfioc_rule);
export const DIOCKILLSTATESNV = pf("DIOCKILLSTATESNV", 41, pfioc_nv);
export const DIOCBEGINADDRS = pf("DIOCBEGINADDRS", 51, pfioc_pooladdr);
export const DIOCADDADDR = pf("DIOCADDADDR", 52, pfioc_pooladdr);
export const DIOCGETRULESETS = pf("DIOCGETRULESETS", 58, pfioc_ruleset);
export const DIOCGETRULESET = pf("DIOCGETRULESET", 59, pfioc_ruleset);
export const DIOCRCLRTABLES = pf("DIOCRCLRTABLES", 60, pfioc_table);
export const DIOCRADDTABLES = pf("DIOCRADDTABLES", 61, pfioc_table);
export const DIOCRGETTABLES = pf("DIOCRGETTABLES", 63, pfioc_table);
export const DIOCRADDADDRS = pf("DIOCRADDADDRS", 67, pfioc_table);
export const DIOCRDELADDRS = pf("DIOCRDELADDRS", 68, pfioc_table);
export const DIOCRSETADDRS = pf("DIOCRSETADDRS", 69, pfioc_table);
export const DIOCRGETADDRS = pf("DIOCRGETADDRS", 70, pfioc_table);
export const DIOCRINADEFINE = pf("DIOCRINADEFINE", 77, pfioc_table);
export const DIOCXBEGIN = pf("DIOCXBEGIN", 81, pfioc_trans);
export const DIOCXCOMMIT = pf("DIOCXCOMMIT", 82, pfioc_trans);
export const DIOCXROLLBACK = pf("DIOCXROLLBACK", 83, pfioc_trans);
export const DIOCIGETIFACES = pf("DIOCIGETIFACES", 87, pfioc_iface);
export const DIOCCLRIFFLAG = pf("DIOCCLRIFFLAG", 90, pfioc_iface);
