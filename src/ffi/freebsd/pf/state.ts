import { DIOCKILLSTATESNV } from "../abi/pf.ts";
import { DIOCGETSTATES, DIOCKILLSTATES, pfiocStateKill, pfiocStates, pfsyncState } from "../abi/pf14.ts";
import { AF_INET6 } from "../abi/socket.ts";
import type { IoctlCall } from "../control.ts";
import { afOf, formatNetwork, type PfNetwork, parseNetwork } from "./address.ts";
import { isUnknownRequest, nvRequest, type PfDevice } from "./device.ts";
import type { NvList } from "./nvlist.ts";

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
  /** The two ends as the host's own sockets have them, before translation: the one that was sent to first. */
  readonly ends: readonly [PfStateEnd, PfStateEnd];
}

/** An end of a connection. */
export interface PfStateEnd {
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  readonly port: number;
}

/** Of a state's two keys, the one as the host's sockets see it: PF_SK_STACK, net/pfvar.h. */
const STACK = 1;
const sizes = { 4: 4, 6: 16 } as const;
/** Room for this part more states than were counted, since connections come meanwhile. */
const SLACK = 1 / 4;

/** The call that reads connections into `size` bytes; 0 asks how many bytes they take. */
export function encodeStatesQuery(size: number): IoctlCall {
  return {
    ioctl: DIOCGETSTATES,
    object: "",
    argument: pfiocStates.encode({ ps_len: size }),
    ...(size > 0 && { pointee: { at: pfiocStates.fields.ps_buf[0], data: Buffer.alloc(size) } }),
  };
}

/** Reads a list of `struct pfsync_state_1301`. */
export function decodeStates(list: Buffer): PfState[] {
  return Array.from({ length: Math.floor(list.length / pfsyncState.size) }, (_, index) => {
    const state = pfsyncState.decode(list, index * pfsyncState.size);
    const family = state.af === AF_INET6 ? 6 : 4;
    const end = (number: 0 | 1): PfStateEnd => ({
      address: (state.key[STACK]?.addr[number] ?? Buffer.alloc(0)).subarray(0, sizes[family]),
      port: state.key[STACK]?.port[number] ?? 0,
    });
    return {
      id: state.id,
      creator: state.creatorid,
      family,
      protocol: state.proto,
      // What follows an IPv4 address is whatever was in the kernel's memory.
      addresses: state.key.flatMap(({ addr }) => addr).map((bytes) => bytes.subarray(0, sizes[family])),
      ends: [end(0), end(1)],
    };
  });
}

/** The connections that pf remembers. @throws {SyscallError} ENODEV on 15 without COMPAT_FREEBSD14. */
export function states(pf: PfDevice): PfState[] {
  const needed = pfiocStates.decode(pf.ioctl(encodeStatesQuery(0)).argument).ps_len;
  if (needed === 0) return [];
  const count = Math.ceil((needed / pfsyncState.size) * (1 + SLACK));
  const { argument, pointee } = pf.ioctl(encodeStatesQuery(count * pfsyncState.size));
  return decodeStates(pointee.subarray(0, pfiocStates.decode(argument).ps_len));
}

/** One end of a connection in name-value form: this address, or any. */
function endList(address?: PfNetwork): NvList {
  const mask = Buffer.alloc(sizes[6]);
  if (address !== undefined) mask.fill(0xff, 0, sizes[address.family]);
  return {
    addr: { type: 0n, iflags: 0n, addr: { addr: address?.bytes ?? Buffer.alloc(sizes[6]) }, mask: { addr: mask } },
    port: [0n, 0n],
    neg: 0n,
    port_op: 0n,
  };
}

/** Which connections DIOCKILLSTATESNV ends: one by its id, or those from, or to, an address on the wire. */
type Wanted = Pick<PfState, "id" | "creator"> | { readonly from: PfNetwork } | { readonly to: PfNetwork };

/** The request that ends connections, in name-value form. */
export function stateKillList(wanted: Wanted): NvList {
  const [id, creator] = "id" in wanted ? [wanted.id, BigInt(wanted.creator)] : [0n, 0n];
  const address = "from" in wanted ? wanted.from : "to" in wanted ? wanted.to : undefined;
  return {
    cmp: { id, creatorid: creator, direction: 0n },
    af: address === undefined ? 0n : BigInt(afOf(address.family)),
    proto: 0n,
    src: endList("from" in wanted ? wanted.from : undefined),
    dst: endList("to" in wanted ? wanted.to : undefined),
    ifname: "",
    label: "",
    // Release 15 refuses a request without it.
    kill_match: false,
  };
}

/** The call that ends a connection, up to FreeBSD 14. */
export function encodeStateKill({ id, creator }: Pick<PfState, "id" | "creator">): IoctlCall {
  const argument = pfiocStateKill.encode({ psk_pfcmp: { id, creatorid: creator } });
  return { ioctl: DIOCKILLSTATES, object: `state ${id.toString(16)}`, argument };
}

function kill(pf: PfDevice, state: PfState): void {
  try {
    pf.ioctl(encodeStateKill(state));
  } catch (error) {
    if (!isUnknownRequest(error)) throw error;
    nvRequest(pf, DIOCKILLSTATESNV, `state ${state.id.toString(16)}`, stateKillList(state));
  }
}

/**
 * Ends all connections in which one of the addresses takes part, before or after translation. pf itself finds a
 * translated connection by its outer addresses alone: therefore all are read, and ended by their ids. Where the kernel
 * does not list them (15 without COMPAT_FREEBSD14), those are ended that pf finds.
 *
 * @param before is told of each that was listed, before it ends.
 */
export function killStates(pf: PfDevice, addresses: readonly string[], before?: (state: PfState) => void): void {
  if (addresses.length === 0) return;
  const networks = addresses.map(parseNetwork);
  const key = (family: 4 | 6, bytes: Buffer): string => `${family} ${bytes.toString("hex", 0, sizes[family])}`;
  const wanted = new Set(networks.map(({ family, bytes }) => key(family, bytes)));
  try {
    for (const state of states(pf)) {
      if (!state.addresses.some((bytes) => wanted.has(key(state.family, bytes)))) continue;
      before?.(state);
      kill(pf, state);
    }
  } catch (error) {
    if (!isUnknownRequest(error)) throw error;
    for (const network of networks) {
      const object = `states of ${formatNetwork(network)}`;
      nvRequest(pf, DIOCKILLSTATESNV, object, stateKillList({ from: network }));
      nvRequest(pf, DIOCKILLSTATESNV, object, stateKillList({ to: network }));
    }
  }
}
