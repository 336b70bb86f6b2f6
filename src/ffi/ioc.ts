/**
 * ioctl(2) request numbers of the BSDs, sys/ioccom.h: direction | (length & 0x1fff) << 16 | group << 8 | number.
 * Linux packs its numbers in another way; these are not for it.
 */
import { FieldError } from "./struct.ts";

const IOCPARM_MASK = 0x1fff;
const IOC_VOID = 0x20000000;
const IOC_OUT = 0x40000000;
const IOC_IN = 0x80000000;

/** An ioctl as its header declares it. */
export interface Ioctl {
  /** `SIOCAIFADDR` */
  readonly cName: string;
  /** The header that declares it: `sys/sockio.h`. */
  readonly header: string;
  /** The request, an unsigned number of 32 bits. */
  readonly request: number;
}

function request(direction: number, group: string, number: number, length: number): number {
  if (length > IOCPARM_MASK) throw new FieldError(`an ioctl carries at most ${IOCPARM_MASK} bytes, not ${length}`);
  if (group.length !== 1) throw new FieldError(`an ioctl group is one character, not "${group}"`);
  // Multiplication, not shifts: 0x80000000 would become negative.
  return direction + length * 0x10000 + group.charCodeAt(0) * 0x100 + number;
}

/** `_IO(group, number)`: no argument. */
export function io(group: string, number: number): number {
  return request(IOC_VOID, group, number, 0);
}

/** `_IOR(group, number, type)`: the kernel writes the argument. */
export function ior(group: string, number: number, type: { readonly size: number }): number {
  return request(IOC_OUT, group, number, type.size);
}

/** `_IOW(group, number, type)`: the kernel reads the argument. */
export function iow(group: string, number: number, type: { readonly size: number }): number {
  return request(IOC_IN, group, number, type.size);
}

/** `_IOWR(group, number, type)`: the kernel reads the argument and writes it back. */
export function iowr(group: string, number: number, type: { readonly size: number }): number {
  return request(IOC_IN + IOC_OUT, group, number, type.size);
}

/** Declares an ioctl under its C name. */
export function ioctl(cName: string, header: string, request: number): Ioctl {
  return { cName, header, request };
}
