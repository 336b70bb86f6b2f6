import { isErrno } from "../errno.ts";
import { type AddressHolder, askOnLink, probeFilter } from "../ethernet.ts";
import type { Ioctl } from "../ioc.ts";
import { addressOf } from "../library.ts";
import {
  BIOCGBLEN,
  BIOCIMMEDIATE,
  BIOCSDIRECTION,
  BIOCSETF,
  BIOCSETIF,
  BIOCSHDRCMPLT,
  BPF_ALIGNMENT,
  BPF_D_IN,
  bpf_hdr,
  bpf_insn,
  bpf_program,
} from "./abi/bpf.ts";
import { ifreq } from "./abi/interface.ts";
import { iovec } from "./abi/uio.ts";
import { type IoctlCall, ioctlOn, openDevice } from "./control.ts";
import type { Fd } from "./fd.ts";
import { cFunction, syscall } from "./libc.ts";

const readv = cFunction<[number, Buffer, number], number>("intptr_t readv(int fd, void *iov, int count)");
const writev = cFunction<[number, Buffer, number], number>("intptr_t writev(int fd, void *iov, int count)");

const DEVICE = "/dev/bpf";

/** An Ethernet's interface. */
export interface EthernetInterface {
  readonly name: string;
  /** `02:00:5e:00:53:01`. */
  readonly linkAddress: string;
}

/**
 * Asks on a link who has addresses, by ARP probes (RFC 5227) and neighbour solicitations (RFC 4862), on a bpf(4) device.
 *
 * @returns those that somebody has; as soon as all are known to have one, or nobody answered for 0.6 seconds.
 * @throws {SyscallError} ENXIO when there is no such interface.
 */
export async function askWhoHas(link: EthernetInterface, addresses: readonly string[]): Promise<AddressHolder[]> {
  using fd = openDevice(DEVICE, "write", "nonblocking");
  const size = prepare(fd, link.name);
  const own = Buffer.from(link.linkAddress.replaceAll(":", ""), "hex");
  const send = (frame: Buffer): void => {
    syscall({ call: "writev", object: link.name }, () => writev(fd.number, vectorOf(frame), 1));
  };
  return await askOnLink({ own, send, receive: () => receive(fd, link.name, size) }, addresses);
}

/** Ties a device to an interface. @returns how many bytes a read takes, no more and no less. */
function prepare(fd: Fd, name: string): number {
  const size = ioctlOn(fd, numberCall(BIOCGBLEN, name, 0)).argument.readUInt32LE(0);
  for (const call of encodeBinding(name)) ioctlOn(fd, call);
  return size;
}

/** The calls that tie a device to an interface: what is asked for comes at once, as sent, and nothing else does. */
export function encodeBinding(name: string): IoctlCall[] {
  const instructions = Buffer.concat(probeFilter.map((instruction) => bpf_insn.encode(instruction)));
  return [
    numberCall(BIOCIMMEDIATE, name, 1),
    { ioctl: BIOCSETIF, object: name, argument: ifreq.encode({ ifr_name: name }) },
    numberCall(BIOCSHDRCMPLT, name, 1),
    numberCall(BIOCSDIRECTION, name, BPF_D_IN),
    {
      ioctl: BIOCSETF,
      object: name,
      argument: bpf_program.encode({ bf_len: probeFilter.length }),
      pointee: { at: bpf_program.fields.bf_insns[0], data: instructions },
    },
  ];
}

function numberCall(ioctl: Ioctl, object: string, value: number): IoctlCall {
  const argument = Buffer.alloc(4);
  argument.writeUInt32LE(value);
  return { ioctl, object, argument };
}

function vectorOf(bytes: Buffer): Buffer {
  return iovec.encode({ iov_base: addressOf(bytes), iov_len: BigInt(bytes.length) });
}

/** What waits to be read. */
function receive({ number }: Fd, name: string, size: number): Buffer[] {
  const bytes = Buffer.alloc(size);
  try {
    const length = syscall({ call: "readv", object: name }, () => readv(number, vectorOf(bytes), 1));
    return decodeFrames(bytes.subarray(0, length));
  } catch (error) {
    if (isErrno(error, "EAGAIN", "EINTR")) return [];
    throw error;
  }
}

/** The frames of a read: each with its header, and padded. */
export function decodeFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + bpf_hdr.size <= bytes.length; ) {
    const { bh_caplen, bh_hdrlen } = bpf_hdr.decode(bytes, at);
    if (bh_hdrlen === 0) break;
    frames.push(bytes.subarray(at + bh_hdrlen, at + bh_hdrlen + bh_caplen));
    at += Math.ceil((bh_hdrlen + bh_caplen) / BPF_ALIGNMENT) * BPF_ALIGNMENT;
  }
  return frames;
}
