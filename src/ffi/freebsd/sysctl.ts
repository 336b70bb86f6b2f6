import { isErrno } from "../errno.ts";
import { retry } from "../retry.ts";
import { decodeCString, FieldError } from "../struct.ts";
import {
  CTL_MAXNAME,
  CTL_SYSCTL,
  CTL_SYSCTL_NAME,
  CTL_SYSCTL_NEXT,
  CTL_SYSCTL_OIDFMT,
  CTLTYPE,
  CTLTYPE_NODE,
} from "./abi/sysctl.ts";
import { cFunction, syscall } from "./libc.ts";

type SysctlByName = [string, Buffer | null, Buffer | null, Buffer | null, number];
type SysctlByMib = [Buffer, number, Buffer | null, Buffer | null, Buffer | null, number];
const sysctlbyname = cFunction<SysctlByName, number>(
  "int sysctlbyname(const char *name, void *oldp, void *oldlenp, const void *newp, size_t newlen)",
);
const sysctlnametomib = cFunction<[string, Buffer, Buffer], number>(
  "int sysctlnametomib(const char *name, void *mibp, void *sizep)",
);
const sysctl = cFunction<SysctlByMib, number>(
  "int sysctl(const void *name, unsigned int namelen, void *oldp, void *oldlenp, const void *newp, size_t newlen)",
);

/** A variable's name as numbers, sysctl(3). */
export type Mib = readonly number[];

const INT_SIZE = 4;
/** How often a value is read again when it grew between being measured and being read. */
const READ_ATTEMPTS = 8;
/** Room that all but lists fit into, in bytes; one process, struct kinfo_proc, takes 1088. */
const ROOM = 2048;
/** Part by which the room for a value exceeds its measured size, since lists grow meanwhile. */
const SLACK = 1 / 8;

/** The numbers of a name as the call takes them. @throws {FieldError} when there are more than 24. */
export function encodeMib(mib: Mib): Buffer {
  if (mib.length === 0 || mib.length > CTL_MAXNAME) throw new FieldError(`a sysctl name has 1 to ${CTL_MAXNAME} parts`);
  const encoded = Buffer.alloc(mib.length * INT_SIZE);
  for (const [index, part] of mib.entries()) encoded.writeInt32LE(part, index * INT_SIZE);
  return encoded;
}

/** Reads numbers of 32 bits: a name, or a list of integers. */
export function decodeMib(bytes: Buffer): number[] {
  return Array.from({ length: Math.floor(bytes.length / INT_SIZE) }, (_, index) => bytes.readInt32LE(index * INT_SIZE));
}

function sizeCell(size: number): Buffer {
  const cell = Buffer.alloc(8);
  cell.writeBigUInt64LE(BigInt(size));
  return cell;
}

const sizeOf = (cell: Buffer): number => Number(cell.readBigUInt64LE(0));

/** Reads into some room; measures a value that does not fit, and starts again when it outgrew its room meanwhile. */
function readGrowing(object: string, bytes: number, invoke: (room: Buffer | null, size: Buffer) => number): Buffer {
  let room = Buffer.alloc(bytes);
  const hasMeasured = (error: unknown): boolean => {
    if (!isErrno(error, "ENOMEM")) return false;
    const measured = sizeCell(0);
    syscall({ call: "sysctl", object }, () => invoke(null, measured));
    room = Buffer.alloc(Math.ceil(sizeOf(measured) * (1 + SLACK)));
    return true;
  };
  return retry(READ_ATTEMPTS, hasMeasured, () => {
    const size = sizeCell(room.length);
    syscall({ call: "sysctl", object }, () => invoke(room, size));
    return room.subarray(0, sizeOf(size));
  });
}

/**
 * The bytes of a variable, sysctlbyname(3).
 *
 * @param room bytes that the value is likely to fit into: if it does, it takes one call.
 * @throws {SyscallError} ENOENT when there is no such variable.
 */
export function sysctlBytes(name: string, room = ROOM): Buffer {
  return readGrowing(name, room, (bytes, size) => sysctlbyname(name, bytes, size, null, 0));
}

/** The bytes of a variable named by numbers, sysctl(3). @param room as of {@link sysctlBytes}. @throws {SyscallError} ENOENT. */
export function sysctlBytesAt(mib: Mib, room = ROOM): Buffer {
  const name = encodeMib(mib);
  return readGrowing(mib.join("."), room, (bytes, size) => sysctl(name, mib.length, bytes, size, null, 0));
}

const INT64_SIZE = 8;

/**
 * An integer variable of 32 or 64 bits, or a truth value of one byte (1 or 0), which some that were integers have become.
 * @throws {SyscallError} ENOENT; {FieldError} when it is none of these.
 */
export function sysctlInt(name: string): number {
  const bytes = sysctlBytes(name);
  switch (bytes.length) {
    case 1:
      return bytes.readUInt8(0);
    case INT_SIZE:
      return bytes.readInt32LE(0);
    case INT64_SIZE:
      return Number(bytes.readBigInt64LE(0));
    default:
      throw new FieldError(`sysctl ${name} has ${bytes.length} bytes: not an integer`);
  }
}

/** A variable's text. @throws {SyscallError} ENOENT when there is no such variable. */
export function sysctlString(name: string): string {
  return decodeCString(sysctlBytes(name));
}

/**
 * Sets an integer variable, or a truth value, of whatever size the kernel has it in.
 * @throws {SyscallError} ENOENT, EPERM when it cannot be set; {RangeError} for a value that does not fit.
 */
export function setSysctlInt(name: string, value: number): void {
  const bytes = Buffer.alloc(sysctlBytes(name).length);
  if (bytes.length === INT64_SIZE) bytes.writeBigInt64LE(BigInt(value));
  else bytes.writeIntLE(value, 0, bytes.length);
  syscall({ call: "sysctl", object: `${name}=${value}` }, () => sysctlbyname(name, null, null, bytes, bytes.length));
}

/** Sets a variable to these bytes, without asking what it was. @throws {SyscallError} ENOENT, EPERM, what its maker says. */
export function setSysctlBytes(name: string, bytes: Buffer): void {
  syscall({ call: "sysctl", object: name }, () => sysctlbyname(name, null, null, bytes, bytes.length));
}

function mibOf(name: string): number[] {
  const mib = Buffer.alloc(CTL_MAXNAME * INT_SIZE);
  const count = sizeCell(CTL_MAXNAME);
  syscall({ call: "sysctlnametomib", object: name }, () => sysctlnametomib(name, mib, count));
  return decodeMib(mib).slice(0, sizeOf(count));
}

/** A variable as the kernel describes it. */
export interface SysctlVariable {
  readonly name: string;
  /** CTLTYPE_* of sys/sysctl.h. */
  readonly type: number;
  /** CTLFLAG_* of sys/sysctl.h. */
  readonly flags: number;
  /** How sysctl(8) prints it: `A` text, `I` integer, and what the variable's maker chose: `E,jailsys`, `B`, `S,in_addr,a`. */
  readonly format: string;
}

/** The variables below a node, in the kernel's order; nodes are left out. @throws {SyscallError} ENOENT. */
export function sysctlVariables(node: string): SysctlVariable[] {
  const root = mibOf(node);
  const variables: SysctlVariable[] = [];
  for (let at: readonly number[] = root; ; ) {
    const next = nextMib(at);
    if (next === undefined || root.some((part, index) => next[index] !== part)) return variables;
    const kind = kindAt(next);
    if (kind.type !== CTLTYPE_NODE) variables.push({ name: nameAt(next), ...kind });
    at = next;
  }
}

/**
 * One variable. Of a node it is the one that stands for the node itself, whose name ends with a dot: `vm.stats.`.
 *
 * @returns undefined when there is none.
 */
export function sysctlVariable(name: string): SysctlVariable | undefined {
  const mib = unlessAbsent(() => mibOf(name));
  if (mib === undefined) return undefined;
  const kind = kindAt(mib);
  if (kind.type !== CTLTYPE_NODE) return { name, ...kind };
  const first = nextMib(mib);
  const own = `${name}.`;
  return first !== undefined && nameAt(first) === own ? { name: own, ...kindAt(first) } : undefined;
}

function kindAt(mib: Mib): Omit<SysctlVariable, "name"> {
  const bytes = sysctlBytesAt([CTL_SYSCTL, CTL_SYSCTL_OIDFMT, ...mib]);
  const kind = bytes.readUInt32LE(0);
  return { type: kind & CTLTYPE, flags: kind - (kind & CTLTYPE), format: decodeCString(bytes.subarray(INT_SIZE)) };
}

function nameAt(mib: Mib): string {
  return decodeCString(sysctlBytesAt([CTL_SYSCTL, CTL_SYSCTL_NAME, ...mib]));
}

function nextMib(mib: Mib): number[] | undefined {
  return unlessAbsent(() => decodeMib(sysctlBytesAt([CTL_SYSCTL, CTL_SYSCTL_NEXT, ...mib])));
}

function unlessAbsent<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
