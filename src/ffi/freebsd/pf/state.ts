import { netmask } from "../../inet.ts";
import { DIOCKILLSTATESNV, IPPROTO_TCP, PF_IN, PF_OP_NONE, PF_OP_RRG } from "../abi/pf.ts";
import { DIOCGETSTATES, DIOCKILLSTATES, pfioc_state_kill, pfioc_states, pfsync_state_1301 } from "../abi/pf14.ts";
import { AF_INET6 } from "../abi/socket.ts";
import type { IoctlCall } from "../control.ts";
import { afOf, formatNetwork, type PfNetwork, parseNetwork } from "./address.ts";
import { isUnknownRequest, nvRequest, type PfDevice } from "./device.ts";
import type { NvList } from "./nvlist.ts";
import type { PfPorts } from "./rule.ts";

/** A connection that pf remembers. */
export interface PfState {
  /** Names it, together with its creator; in the kernel's own byte order. */
  readonly id: bigint;
  readonly creator: number;
  readonly family: 4 | 6;
  /** IPPROTO_* of netinet/in.h. */
  readonly protocol: number;
  /** Its addresses, of 4 or 16 bytes: as they are on the wire, and as they are in the host's stack. */
  readonly addresses: readonly Buffer[];
  /** Its first packet came in; else it went out. */
  readonly inward: boolean;
  /** Of TCP, the handshake is done. */
  readonly established: boolean;
  /** As its first packet went: on the wire, and in the host's stack. */
  readonly wire: PfFlow;
  readonly stack: PfFlow;
  /** The two ends as the host's own sockets have them, before translation: the one that was sent to first. */
  readonly ends: readonly [PfStateEnd, PfStateEnd];
}

/** Where a packet comes from and where it goes. */
export interface PfFlow {
  readonly from: PfStateEnd;
  readonly to: PfStateEnd;
}

/** An end of a connection. */
export interface PfStateEnd {
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  readonly port: number;
}

/** Of a state's two keys, the one as the host's sockets see it: PF_SK_STACK, net/pfvar.h. */
const STACK = 1;
/** PF_SK_WIRE. */
const WIRE = 0;
/** netinet/tcp_fsm.h. */
const TCPS_ESTABLISHED = 4;
const sizes = { 4: 4, 6: 16 } as const;
/** Room for this part more states than were counted, since connections come meanwhile. */
const SLACK = 1 / 4;

/** The call that reads connections into `size` bytes; 0 asks how many bytes they take. */
export function encodeStatesQuery(size: number): IoctlCall {
  return {
    ioctl: DIOCGETSTATES,
    object: "",
    argument: pfioc_states.encode({ ps_len: size }),
    ...(size > 0 && { pointee: { at: pfioc_states.fields.ps_buf[0], data: Buffer.alloc(size) } }),
  };
}

/** Reads a list of `struct pfsync_state_1301`. */
export function decodeStates(list: Buffer): PfState[] {
  return Array.from({ length: Math.floor(list.length / pfsync_state_1301.size) }, (_, index) => {
    const state = pfsync_state_1301.decode(list, index * pfsync_state_1301.size);
    const family = state.af === AF_INET6 ? 6 : 4;
    const end = (side: number, number: 0 | 1): PfStateEnd => ({
      address: (state.key[side]?.addr[number] ?? Buffer.alloc(0)).subarray(0, sizes[family]),
      port: state.key[side]?.port[number] ?? 0,
    });
    const inward = state.direction === PF_IN;
    const flow = (side: number): PfFlow =>
      inward ? { from: end(side, 0), to: end(side, 1) } : { from: end(side, 1), to: end(side, 0) };
    return {
      id: state.id,
      creator: state.creatorid,
      family,
      protocol: state.proto,
      // What follows an IPv4 address is whatever was in the kernel's memory.
      addresses: state.key.flatMap(({ addr }) => addr).map((bytes) => bytes.subarray(0, sizes[family])),
      inward,
      established:
        state.proto === IPPROTO_TCP && [state.src, state.dst].every((peer) => peer.state >= TCPS_ESTABLISHED),
      wire: flow(WIRE),
      stack: flow(STACK),
      ends: [end(STACK, 0), end(STACK, 1)],
    };
  });
}

/** The connections that pf remembers. @throws {SyscallError} ENODEV on 15 without COMPAT_FREEBSD14. */
export function states(pf: PfDevice): PfState[] {
  const needed = pfioc_states.decode(pf.ioctl(encodeStatesQuery(0)).argument).ps_len;
  if (needed === 0) return [];
  const count = Math.ceil((needed / pfsync_state_1301.size) * (1 + SLACK));
  const { argument, pointee } = pf.ioctl(encodeStatesQuery(count * pfsync_state_1301.size));
  return decodeStates(pointee.subarray(0, pfioc_states.decode(argument).ps_len));
}

/** Connections by an end that they have on the wire: an address or network, of TCP or UDP and with these ports alone. */
export interface PfStateFilter {
  readonly end: "from" | "to";
  readonly network: PfNetwork;
  readonly protocol?: number;
  readonly ports?: PfPorts;
}

/** One end of a connection in name-value form; without a filter, any. */
function endList(filter?: PfStateFilter): NvList {
  const mask = Buffer.alloc(sizes[6]);
  if (filter !== undefined) netmask(filter.network.prefixLength, sizes[filter.network.family]).copy(mask);
  const { first, last } = filter?.ports ?? { first: 0, last: 0 };
  return {
    addr: {
      type: 0n,
      iflags: 0n,
      addr: { addr: filter?.network.bytes ?? Buffer.alloc(sizes[6]) },
      mask: { addr: mask },
    },
    // As struct pf_rule_addr has them.
    port: [networkOrder(first), networkOrder(last)],
    neg: 0n,
    port_op: BigInt(filter?.ports === undefined ? PF_OP_NONE : PF_OP_RRG),
  };
}

const networkOrder = (port: number): bigint => BigInt(((port & 0xff) << 8) | (port >> 8));

/** Which connections DIOCKILLSTATESNV ends: one by its id, or those that a filter fits. */
type Wanted = Pick<PfState, "id" | "creator"> | PfStateFilter;

/** The request that ends connections, in name-value form. */
export function stateKillList(wanted: Wanted): NvList {
  const [id, creator] = "id" in wanted ? [wanted.id, BigInt(wanted.creator)] : [0n, 0n];
  const filter = "id" in wanted ? undefined : wanted;
  return {
    cmp: { id, creatorid: creator, direction: 0n },
    af: filter === undefined ? 0n : BigInt(afOf(filter.network.family)),
    proto: BigInt(filter?.protocol ?? 0),
    src: endList(filter?.end === "from" ? filter : undefined),
    dst: endList(filter?.end === "to" ? filter : undefined),
    ifname: "",
    label: "",
    // Release 15 refuses a request without it.
    kill_match: false,
  };
}

/** The call that ends a connection, up to FreeBSD 14. */
export function encodeStateKill({ id, creator }: Pick<PfState, "id" | "creator">): IoctlCall {
  const argument = pfioc_state_kill.encode({ psk_pfcmp: { id, creatorid: creator } });
  return { ioctl: DIOCKILLSTATES, object: `state ${id.toString(16)}`, argument };
}

function kill(pf: PfDevice, state: PfState): void {
  pf.ioctlUntil15(
    encodeStateKill(state),
    () => undefined,
    () => nvRequest(pf, DIOCKILLSTATESNV, `state ${state.id.toString(16)}`, stateKillList(state)),
  );
}

/**
 * Ends the connections that are meant. pf itself finds a translated one by its outer addresses alone: therefore all are
 * read, and ended by their ids. Where the kernel does not list them (15 without COMPAT_FREEBSD14), those are ended that
 * pf finds by the filters.
 *
 * @param before is told of each that was listed, before it ends.
 */
export function killStatesWhere(
  pf: PfDevice,
  isMeant: (state: PfState) => boolean,
  filters: () => readonly PfStateFilter[],
  before?: (state: PfState) => void,
): void {
  try {
    for (const state of states(pf)) {
      if (!isMeant(state)) continue;
      before?.(state);
      kill(pf, state);
    }
  } catch (error) {
    if (!isUnknownRequest(error)) throw error;
    for (const filter of filters())
      nvRequest(pf, DIOCKILLSTATESNV, `states ${filter.end} ${formatNetwork(filter.network)}`, stateKillList(filter));
  }
}

/** Ends all connections in which one of the addresses takes part, before or after translation. */
export function killStates(pf: PfDevice, addresses: readonly string[], before?: (state: PfState) => void): void {
  if (addresses.length === 0) return;
  const networks = addresses.map(parseNetwork);
  const key = (family: 4 | 6, bytes: Buffer): string => `${family} ${bytes.toString("hex", 0, sizes[family])}`;
  const wanted = new Set(networks.map(({ family, bytes }) => key(family, bytes)));
  killStatesWhere(
    pf,
    (state) => state.addresses.some((bytes) => wanted.has(key(state.family, bytes))),
    () => networks.flatMap((network) => [{ end: "from", network } as const, { end: "to", network } as const]),
    before,
  );
}
