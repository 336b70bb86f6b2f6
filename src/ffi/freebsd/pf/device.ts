import { isErrno } from "../../errno.ts";
import { DIOCGETSTATUSNV, DIOCSTART, DIOCSTOP, pfioc_nv } from "../abi/pf.ts";
import { DIOCGETSTATUS, pf_status } from "../abi/pf14.ts";
import { type IoctlCall, type IoctlReply, ioctlOn, openDevice } from "../control.ts";
import type { Fd } from "../fd.ts";
import { type NvList, packNvlist, unpackNvlist } from "./nvlist.ts";

const PF_DEVICE = "/dev/pf";
/** First guess at the room for an answer in name-value form, in bytes; it doubles while ENOSPC says it is short. */
const NV_ROOM = 8192;
const NV_ROOM_LIMIT = 1 << 20;

/** pf opened for reading and writing, pf(4). Dispose of it after use. */
export class PfDevice implements Disposable {
  readonly #fd: Fd;
  /** Release 15 has none of the requests any more that have a form by names; each release that lacks one has all of those. */
  #onlyByNames = false;

  /** @throws {SyscallError} ENOENT when the module pf is not loaded, EPERM or EACCES when the caller may not. */
  constructor(path: string = PF_DEVICE) {
    this.#fd = openDevice(path, "write");
  }

  /** Closes the device. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }

  /** Makes one of pf's ioctls. @throws {SyscallError} named after it. */
  ioctl(call: IoctlCall): IoctlReply {
    return ioctlOn(this.#fd, call);
  }

  /** Makes a request that releases up to 14 have, or else its form by names; what is missing is tried but once. */
  ioctlUntil15<T, U>(call: IoctlCall, read: (reply: IoctlReply) => T, byNames: () => U): T | U {
    if (this.#onlyByNames) return byNames();
    let reply: IoctlReply;
    try {
      reply = this.ioctl(call);
    } catch (error) {
      if (!isUnknownRequest(error)) throw error;
      this.#onlyByNames = true;
      return byNames();
    }
    return read(reply);
  }
}

/** Runs with pf open. */
export function withPf<T>(use: (pf: PfDevice) => T): T {
  using pf = new PfDevice();
  return use(pf);
}

/** Does this kernel lack the request? pf answers so to numbers it does not know. */
export function isUnknownRequest(error: unknown): boolean {
  return isErrno(error, "ENODEV", "ENOTTY");
}

/** The call that sends a list and has room for one in answer. */
export function encodeNvCall(ioctl: IoctlCall["ioctl"], object: string, request: NvList, room: number): IoctlCall {
  const packed = packNvlist(request);
  const data = Buffer.alloc(Math.max(room, packed.length));
  packed.copy(data);
  return {
    ioctl,
    object,
    argument: pfioc_nv.encode({ len: BigInt(packed.length), size: BigInt(data.length) }),
    pointee: { at: pfioc_nv.fields.data[0], data },
  };
}

/** Makes a request in name-value form. @throws {SyscallError} */
export function nvRequest(pf: PfDevice, ioctl: IoctlCall["ioctl"], object: string, request: NvList): NvList {
  for (let room = NV_ROOM; ; room *= 2) {
    try {
      const { argument, pointee } = pf.ioctl(encodeNvCall(ioctl, object, request, room));
      return unpackNvlist(pointee.subarray(0, Number(pfioc_nv.decode(argument).len)));
    } catch (error) {
      const short = isErrno(error, "ENOSPC");
      if (!short || room >= NV_ROOM_LIMIT) throw error;
    }
  }
}

/** The call that asks pf for its state, up to FreeBSD 14. */
export function encodeStatusQuery(): IoctlCall {
  return { ioctl: DIOCGETSTATUS, object: "", argument: pf_status.encode({}) };
}

/** Is pf filtering? */
export function isRunning(pf: PfDevice): boolean {
  return pf.ioctlUntil15(
    encodeStatusQuery(),
    ({ argument }) => pf_status.decode(argument).running !== 0,
    () => nvRequest(pf, DIOCGETSTATUSNV, "", {}).running === true,
  );
}

/** The calls that have pf filter, and have it stop. */
export const encodeStart = (): IoctlCall => ({ ioctl: DIOCSTART, object: "", argument: Buffer.alloc(0) });
export const encodeStop = (): IoctlCall => ({ ioctl: DIOCSTOP, object: "", argument: Buffer.alloc(0) });

/**
 * Has pf filter, by the rules it has: for an administrator to decide. That it does already is no error.
 *
 * @throws {SyscallError} ENODEV where the kernel lacks the request (15 without COMPAT_FREEBSD14): use pfctl -e.
 */
export function start(pf: PfDevice): void {
  unlessAlready(() => pf.ioctl(encodeStart()), "EEXIST");
}

/** Has pf filter no more; that it does not is no error. */
export function stop(pf: PfDevice): void {
  unlessAlready(() => pf.ioctl(encodeStop()), "ENOENT");
}

function unlessAlready(act: () => unknown, code: string): void {
  try {
    act();
  } catch (error) {
    if (!isErrno(error, code)) throw error;
  }
}
