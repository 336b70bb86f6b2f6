import { cString, FieldError } from "../struct.ts";
import { IFNAMSIZ, ifreq, SIOCIFCREATE2, SIOCIFDESTROY, SIOCSIFNAME } from "./abi/interface.ts";
import { type IoctlCall, interfaceIoctl } from "./control.ts";

const nameType = cString(IFNAMSIZ);

/** The call that creates an interface. @throws {FieldError} when the name does not fit 15 bytes. */
export function encodeCreation(name: string): IoctlCall {
  return { ioctl: SIOCIFCREATE2, object: name, argument: ifreq.encode({ ifr_name: name }) };
}

/** The call that renames an interface. @throws {FieldError} when a name is empty or does not fit 15 bytes. */
export function encodeRenaming(from: string, to: string): IoctlCall {
  if (to === "") throw new FieldError("an interface name cannot be empty");
  const data = Buffer.alloc(IFNAMSIZ);
  nameType.write(data, 0, to, "interface name");
  return {
    ioctl: SIOCSIFNAME,
    object: `${from} ${to}`,
    argument: ifreq.encode({ ifr_name: from }),
    pointee: { at: ifreq.fields.ifr_data[0], data },
  };
}

/** The call that destroys an interface. @throws {FieldError} when the name does not fit 15 bytes. */
export function encodeDestruction(name: string): IoctlCall {
  return { ioctl: SIOCIFDESTROY, object: name, argument: ifreq.encode({ ifr_name: name }) };
}

/**
 * Creates a cloned interface, SIOCIFCREATE2 (netintro(4)).
 *
 * @param name the driver (`lo`, `bridge`, `epair`), or driver and unit (`lo1`). Other names come by {@link renameInterface}.
 * @returns the name it got; of an epair the `a` end.
 * @throws {SyscallError} EEXIST when the unit is taken, EINVAL when there is no such driver.
 */
export function createInterface(name: string): string {
  const { argument } = interfaceIoctl(encodeCreation(name));
  return ifreq.decode(argument).ifr_name;
}

/**
 * Renames an interface, SIOCSIFNAME (netintro(4)).
 *
 * @throws {SyscallError} EEXIST when the new name is taken, ENXIO when there is no such interface.
 */
export function renameInterface(from: string, to: string): void {
  interfaceIoctl(encodeRenaming(from, to));
}

/**
 * Destroys a cloned interface, whatever it was renamed to, SIOCIFDESTROY (netintro(4)).
 *
 * @throws {SyscallError} ENXIO when there is no such interface, EINVAL when it is not a clone.
 */
export function destroyInterface(name: string): void {
  interfaceIoctl(encodeDestruction(name));
}
