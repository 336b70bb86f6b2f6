import { isErrno } from "../../errno.ts";
import type { Ioctl } from "../../ioc.ts";
import { askWithRoom } from "../../retry.ts";
import {
  DIOCRADDADDRS,
  DIOCRADDTABLES,
  DIOCRCLRTABLES,
  DIOCRDELADDRS,
  DIOCRGETADDRS,
  DIOCRGETTABLES,
  DIOCRINADEFINE,
  DIOCRSETADDRS,
  PFR_FLAG_ADDRSTOO,
  PFR_TFLAG_ACTIVE,
  PFR_TFLAG_PERSIST,
  pfioc_table,
  pfr_addr,
  pfr_table,
} from "../abi/pf.ts";
import type { IoctlCall } from "../control.ts";
import { decodeTableAddress, encodeTableAddress } from "./address.ts";
import type { PfDevice } from "./device.ts";

/** How often a list is read again when it grew between being measured and being read. */
const READ_ATTEMPTS = 8;

interface TableRequest {
  readonly ioctl: Ioctl;
  readonly anchor: string;
  readonly table: string;
  /** Elements as they are sent, or room for those in answer. */
  readonly buffer: Buffer;
  /** Size of an element, 0 where the request has none. */
  readonly esize: number;
  readonly flags?: number;
  readonly tableFlags?: number;
  readonly ticket?: number;
}

function encodeTableRequest(request: TableRequest): IoctlCall {
  const { ioctl, anchor, table, buffer, esize } = request;
  return {
    ioctl,
    object: `${anchor} <${table}>`,
    argument: pfioc_table.encode({
      pfrio_table: { pfrt_anchor: anchor, pfrt_name: table, pfrt_flags: request.tableFlags ?? 0 },
      pfrio_esize: esize,
      pfrio_size: esize === 0 ? 0 : buffer.length / esize,
      pfrio_flags: request.flags ?? 0,
      pfrio_ticket: request.ticket ?? 0,
    }),
    ...(buffer.length > 0 && { pointee: { at: pfioc_table.fields.pfrio_buffer[0], data: buffer } }),
  };
}

const elements = (addresses: readonly string[]): Buffer => Buffer.concat(addresses.map(encodeTableAddress));

/** The call that defines a table with its addresses within a transaction. */
export function encodeTableDefinition(
  anchor: string,
  table: string,
  addresses: readonly string[],
  ticket: number,
): IoctlCall {
  return encodeTableRequest({
    ioctl: DIOCRINADEFINE,
    anchor,
    table,
    buffer: elements(addresses),
    esize: pfr_addr.size,
    flags: PFR_FLAG_ADDRSTOO,
    // Without it the table would go with its last rule.
    tableFlags: PFR_TFLAG_PERSIST,
    ticket,
  });
}

const changes = { add: DIOCRADDADDRS, delete: DIOCRDELADDRS, replace: DIOCRSETADDRS } as const;

/** The call that adds, deletes or replaces addresses of a table. All at once; PFR_FLAG_ATOMIC is refused by every release. */
export function encodeTableChange(
  what: keyof typeof changes,
  anchor: string,
  table: string,
  addresses: readonly string[],
): IoctlCall {
  return encodeTableRequest({
    ioctl: changes[what],
    anchor,
    table,
    buffer: elements(addresses),
    esize: pfr_addr.size,
  });
}

/** The call that makes an empty table, which stays without rules that use it. */
export function encodeTableCreation(anchor: string, table: string): IoctlCall {
  const buffer = pfr_table.encode({ pfrt_anchor: anchor, pfrt_name: table, pfrt_flags: PFR_TFLAG_PERSIST });
  return encodeTableRequest({ ioctl: DIOCRADDTABLES, anchor: "", table: "", buffer, esize: pfr_table.size });
}

/** Makes an empty table; one that is there stays as it is. @throws {SyscallError} */
export function createTable(pf: PfDevice, anchor: string, table: string): void {
  pf.ioctl({ ...encodeTableCreation(anchor, table), object: `${anchor} <${table}>` });
}

/** Adds addresses to a table, at once; those in it already stay. @throws {SyscallError} ESRCH when there is no table. */
export function addAddresses(pf: PfDevice, anchor: string, table: string, addresses: readonly string[]): void {
  if (addresses.length > 0) pf.ioctl(encodeTableChange("add", anchor, table, addresses));
}

/** Takes addresses out of a table, at once; those not in it are no error. @throws {SyscallError} ESRCH. */
export function deleteAddresses(pf: PfDevice, anchor: string, table: string, addresses: readonly string[]): void {
  if (addresses.length > 0) pf.ioctl(encodeTableChange("delete", anchor, table, addresses));
}

/** Replaces all addresses of a table, at once. @throws {SyscallError} ESRCH when there is no table. */
export function replaceAddresses(pf: PfDevice, anchor: string, table: string, addresses: readonly string[]): void {
  pf.ioctl(encodeTableChange("replace", anchor, table, addresses));
}

function readList(pf: PfDevice, ioctl: Ioctl, anchor: string, table: string, size: number): readonly Buffer[] {
  return askWithRoom(READ_ATTEMPTS, 0, (room) => {
    const buffer = Buffer.alloc(room * size);
    const { argument, pointee } = pf.ioctl(encodeTableRequest({ ioctl, anchor, table, buffer, esize: size }));
    const items = Array.from({ length: room }, (_, index) => pointee.subarray(index * size, (index + 1) * size));
    return { count: pfioc_table.decode(argument).pfrio_size, items };
  });
}

/** Addresses and networks in a table. @throws {SyscallError} ESRCH when there is no table. */
export function tableAddresses(pf: PfDevice, anchor: string, table: string): string[] {
  return readList(pf, DIOCRGETADDRS, anchor, table, pfr_addr.size).map((bytes) => decodeTableAddress(bytes, 0));
}

/** Names of the tables of an anchor; of none where there is no such anchor. What rules name and nobody made is none. */
export function tableNames(pf: PfDevice, anchor: string): string[] {
  try {
    return readList(pf, DIOCRGETTABLES, anchor, "", pfr_table.size)
      .map((bytes) => pfr_table.decode(bytes))
      .filter(({ pfrt_flags }) => (pfrt_flags & PFR_TFLAG_ACTIVE) !== 0)
      .map(({ pfrt_name }) => pfrt_name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return [];
    throw error;
  }
}

/** Removes all tables of an anchor; that there is no such anchor is no error. @throws {SyscallError} */
export function clearTables(pf: PfDevice, anchor: string): void {
  try {
    pf.ioctl(encodeTableRequest({ ioctl: DIOCRCLRTABLES, anchor, table: "", buffer: Buffer.alloc(0), esize: 0 }));
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
