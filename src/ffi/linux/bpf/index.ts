/** bpf(2): maps, programs, attachments to cgroups, links; and an assembler. */
export { Assembler, type Register } from "./assembler.ts";
export { contexts } from "./context.ts";
export { EVENT_LISTEN, type Hook, helperFlags, helpers } from "./hook.ts";
export { KernelTypes } from "./kernel-types.ts";
export { createLink, linkIds, namespaceLinkInfo, openLink } from "./link.ts";
export {
  addElement,
  createMap,
  deleteElement,
  keysOf,
  lookupElement,
  type MapDefinition,
  mapInfo,
  openMap,
  updateElement,
} from "./map.ts";
export {
  attachProgram,
  loadProgram,
  openProgram,
  type ProgramDefinition,
  type ProgramInfo,
  programInfo,
  queryPrograms,
} from "./program.ts";
