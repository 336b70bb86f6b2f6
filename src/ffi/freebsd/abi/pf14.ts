import { ioctl, iowr } from "../../ioc.ts";
import { arrayOf, bytes, cString, i32, pointer, struct, u8, u16be, u32, u64 } from "../../struct.ts";
import { IFNAMSIZ } from "./interface.ts";
import { PF_RULE_LABEL_SIZE, pf_rule_addr, pfioc_rule } from "./pf.ts";

/** Headers that a C probe of this module includes, in order. */
export { headers } from "./pf.ts";
/** 15.0 has it no more: name-value forms are used there, and DIOCGETSTATES only for programs of 14. */
export const until = "15.0";

/** Which state is meant, by its id, both in the kernel's own byte order. */
export const pf_state_cmp = struct("struct pf_state_cmp", "net/pfvar.h", 16, {
  id: [0, u64],
  creatorid: [8, u32],
  direction: [12, u8],
});

export const pfioc_state_kill = struct("struct pfioc_state_kill", "net/pfvar.h", 224, {
  psk_pfcmp: [0, pf_state_cmp],
  psk_af: [16, u8],
  psk_proto: [20, i32],
  psk_src: [24, pf_rule_addr],
  psk_dst: [80, pf_rule_addr],
  psk_ifname: [136, cString(IFNAMSIZ)],
  psk_label: [152, cString(PF_RULE_LABEL_SIZE)],
  psk_killed: [216, u32],
});

/** Addresses and ports of a connection as seen on one side of a translation. */
export const pfsync_state_key = struct("struct pfsync_state_key", "net/pfvar.h", 36, {
  addr: [0, arrayOf(bytes(16), 2)],
  port: [32, arrayOf(u16be, 2)],
});

/** What pf knows of one end; `state` is of tcp_fsm.h for TCP. */
export const pf_state_peer_export = struct("struct pf_state_peer_export", "net/pfvar.h", 32, {
  state: [24, u8],
});

/** A connection; `key[0]` is it on the wire, `key[1]` in the host's own stack. */
export const pfsync_state_1301 = struct("struct pfsync_state_1301", "net/pfvar.h", 242, {
  id: [0, u64],
  ifname: [8, cString(IFNAMSIZ)],
  key: [24, arrayOf(pfsync_state_key, 2)],
  src: [96, pf_state_peer_export],
  dst: [128, pf_state_peer_export],
  creatorid: [228, u32],
  af: [232, u8],
  proto: [233, u8],
  direction: [234, u8],
});

export const pfioc_states = struct("struct pfioc_states", "net/pfvar.h", 16, {
  ps_len: [0, i32],
  ps_buf: [8, pointer],
});

export const pf_status = struct("struct pf_status", "netpfil/pf/pf.h", 416, {
  running: [360, u32],
  states: [364, u32],
  since: [372, u32],
  debug: [376, u32],
  hostid: [380, u32],
  ifname: [384, cString(IFNAMSIZ)],
});

export const DIOCGETRULE = ioctl("DIOCGETRULE", "net/pfvar.h", iowr("D", 7, pfioc_rule));
export const DIOCGETSTATUS = ioctl("DIOCGETSTATUS", "net/pfvar.h", iowr("D", 21, pf_status));
export const DIOCGETSTATES = ioctl("DIOCGETSTATES", "net/pfvar.h", iowr("D", 25, pfioc_states));
export const DIOCKILLSTATES = ioctl("DIOCKILLSTATES", "net/pfvar.h", iowr("D", 41, pfioc_state_kill));
