import { askWithRoom } from "../../retry.ts";
import { DIOCCLRIFFLAG, DIOCIGETIFACES, PFI_IFLAG_SKIP, pfi_kif, pfioc_iface } from "../abi/pf.ts";
import type { IoctlCall } from "../control.ts";
import type { PfDevice } from "./device.ts";

/** Room for so many interfaces at first; how often the list is read again when it is longer. */
const FIRST_ROOM = 64;
const READ_ATTEMPTS = 8;

/** The call that reads what pf knows of an interface, or of those of a group, with room for so many. */
export function encodeInterfacesQuery(name: string, room: number): IoctlCall {
  return {
    ioctl: DIOCIGETIFACES,
    object: name,
    argument: pfioc_iface.encode({ pfiio_name: name, pfiio_esize: pfi_kif.size, pfiio_size: room }),
    pointee: { at: pfioc_iface.fields.pfiio_buffer[0], data: Buffer.alloc(room * pfi_kif.size) },
  };
}

/** Which of these interfaces `set skip on` exempts from filtering. @param name an interface's name, or a group's. */
export function skippedInterfaces(pf: PfDevice, name: string): string[] {
  const found = askWithRoom(READ_ATTEMPTS, FIRST_ROOM, (room) => {
    const { argument, pointee } = pf.ioctl(encodeInterfacesQuery(name, room));
    const items = Array.from({ length: room }, (_, index) => pfi_kif.decode(pointee, index * pfi_kif.size));
    return { count: pfioc_iface.decode(argument).pfiio_size, items };
  });
  return found.filter(({ pfik_flags }) => (pfik_flags & PFI_IFLAG_SKIP) !== 0).map(({ pfik_name }) => pfik_name);
}

/** Has pf filter an interface, or all of a group, that `set skip on` exempted. */
export function filterInterfaces(pf: PfDevice, name: string): void {
  const argument = pfioc_iface.encode({ pfiio_name: name, pfiio_flags: PFI_IFLAG_SKIP });
  pf.ioctl({ ioctl: DIOCCLRIFFLAG, object: name, argument });
}
