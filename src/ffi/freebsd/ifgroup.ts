import { isErrno } from "../errno.ts";
import { retry } from "../retry.ts";
import { FieldError } from "../struct.ts";
import { ifg_req, ifgroupreq, SIOCAIFGROUP, SIOCDIFGROUP, SIOCGIFGMEMB, SIOCGIFGROUP } from "./abi/interface.ts";
import { type IoctlCall, interfaceIoctl } from "./control.ts";

/** How often a list is read again when it grew between being measured and being read. */
const LIST_ATTEMPTS = 4;
/** Room for so many names at first, in bytes; what is left of it stays empty. */
const FIRST_ROOM = 256 * ifg_req.size;

/** The call that puts an interface into a group. @throws {FieldError} when a name does not fit 15 bytes. */
export function encodeGroupAddition(name: string, group: string): IoctlCall {
  if (group === "") throw new FieldError("a group name cannot be empty");
  const argument = ifgroupreq.encode({ ifgr_name: name, ifgr_group: group });
  return { ioctl: SIOCAIFGROUP, object: `${name} group ${group}`, argument };
}

/** The call that takes an interface out of a group. @throws {FieldError} when a name does not fit 15 bytes. */
export function encodeGroupRemoval(name: string, group: string): IoctlCall {
  return { ...encodeGroupAddition(name, group), ioctl: SIOCDIFGROUP };
}

/**
 * The call that lists the groups of an interface (SIOCGIFGROUP) or the members of a group (SIOCGIFGMEMB).
 *
 * @param size room for the list in bytes; 0 asks for its size.
 */
export function encodeGroupQuery(list: "groups" | "members", name: string, size: number): IoctlCall {
  return {
    ioctl: list === "groups" ? SIOCGIFGROUP : SIOCGIFGMEMB,
    object: name,
    argument: ifgroupreq.encode({ ifgr_name: name, ifgr_len: size }),
    ...(size > 0 && { pointee: { at: ifgroupreq.fields.ifgr_groups[0], data: Buffer.alloc(size) } }),
  };
}

/** Reads the names out of a list of `struct ifg_req`. */
export function decodeGroupList(list: Buffer): string[] {
  return Array.from(
    { length: Math.floor(list.length / ifg_req.size) },
    (_, index) => ifg_req.decode(list, index * ifg_req.size).ifgrq_group,
  ).filter((name) => name !== "");
}

function readList(list: "groups" | "members", name: string): string[] {
  let size = FIRST_ROOM;
  const hasMeasured = (error: unknown): boolean => {
    if (!isErrno(error, "EINVAL")) return false;
    size = ifgroupreq.decode(interfaceIoctl(encodeGroupQuery(list, name, 0)).argument).ifgr_len;
    return true;
  };
  return retry(LIST_ATTEMPTS, hasMeasured, () =>
    size === 0 ? [] : decodeGroupList(interfaceIoctl(encodeGroupQuery(list, name, size)).pointee),
  );
}

/**
 * Puts an interface into a group, SIOCAIFGROUP; the group comes into being with its first member.
 *
 * @throws {SyscallError} EEXIST when it is in, EINVAL when the group's name ends in a digit.
 */
export function addInterfaceGroup(name: string, group: string): void {
  interfaceIoctl(encodeGroupAddition(name, group));
}

/** Takes an interface out of a group, SIOCDIFGROUP. @throws {SyscallError} ENOENT when it is not in. */
export function removeInterfaceGroup(name: string, group: string): void {
  interfaceIoctl(encodeGroupRemoval(name, group));
}

/** The groups of an interface, SIOCGIFGROUP. @throws {SyscallError} ENXIO when there is no such interface. */
export function interfaceGroups(name: string): string[] {
  return readList("groups", name);
}

/** The interfaces in a group, SIOCGIFGMEMB. @throws {SyscallError} ENOENT when there is no such group. */
export function groupMembers(group: string): string[] {
  return readList("members", group);
}
