import { ConfinedProgram } from "./confined-program.ts";
import { Flag } from "./entry.ts";
import type { ConfinementMaps } from "./maps.ts";
import type { UnixAddress } from "./unix-address.ts";

/**
 * connect(2) and sendmsg(2) of a unix socket to a name without a file. Such names are of the network namespace, which is
 * the host's: who owns one no program is told. Nobody listens there, then, as in a jail.
 */
export function reachUnix(maps: ConfinementMaps, level: number, at: UnixAddress): Buffer {
  const p = new ConfinedProgram(maps).findContainer(level).ifFlag(Flag.abstractSockets, "allow");
  p.move(1, 6).callKernel(at.castContext).load64(1, 0, at.address);
  p.set(2, at.struct).callKernel(at.castPointer).load8(1, 0, at.path).ifNotEqual(1, 0, "allow");
  return p.refuse("nobodyListens").answers();
}
