import { DIOCCLRIFFLAG, DIOCKILLSTATESNV, PFI_IFLAG_SKIP, pfiocIface } from "../abi/pf.ts";
import { DIOCGETSTATES, DIOCKILLSTATES, pfiocStateKill, pfiocStates, pfsyncState } from "../abi/pf14.ts";
import { AF_INET6 } from "../abi/socket.ts";
import type { IoctlCall } from "../control.ts";
import { parseNetwork } from "./address.ts";
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
  /** Its addresses, 16 bytes each: as they are on the wire, and as they are in the host's stack. */
  readonly addresses: readonly Buffer[];
}

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
    return {
      id: state.id,
      creator: state.creatorid,
      family: state.af === AF_INET6 ? 6 : 4,
      protocol: state.proto,
      addresses: state.key.flatMap(({ addr }) => addr),
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

const anyEnd: NvList = {
  addr: {
    type: 0n,
    iflags: 0n,
    addr: { addr: Buffer.alloc(16) },
    mask: { addr: Buffer.alloc(16) },
  },
  port: [0n, 0n],
  neg: false,
  port_op: 0n,
};

/** The request that ends a connection, in name-value form. */
export function stateKillList({ id, creator }: Pick<PfState, "id" | "creator">): NvList {
  return {
    cmp: { id, creatorid: BigInt(creator), direction: 0n },
    af: 0n,
    proto: 0n,
    src: anyEnd,
    dst: anyEnd,
    ifname: "",
    label: "",
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
 * translated connection by its outer addresses alone: therefore all are read, and ended by their ids.
 *
 * @returns how many were ended.
 */
export function killStates(pf: PfDevice, addresses: readonly string[]): number {
  if (addresses.length === 0) return 0;
  const key = (family: 4 | 6, bytes: Buffer): string => `${family} ${bytes.toString("hex")}`;
  const wanted = new Set(addresses.map(parseNetwork).map(({ family, bytes }) => key(family, bytes)));
  const found = states(pf).filter(({ family, addresses: own }) => own.some((bytes) => wanted.has(key(family, bytes))));
  for (const state of found) kill(pf, state);
  return found.length;
}

/** Has pf filter an interface that `set skip on` exempted, itself or by its group. */
export function filterInterface(pf: PfDevice, name: string): void {
  const argument = pfiocIface.encode({ pfiio_name: name, pfiio_flags: PFI_IFLAG_SKIP });
  pf.ioctl({ ioctl: DIOCCLRIFFLAG, object: name, argument });
}
