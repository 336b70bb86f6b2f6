import { isErrno } from "../../../ffi/errno.ts";
import * as rctl from "../../../ffi/freebsd/rctl.ts";
import * as sysctl from "../../../ffi/freebsd/sysctl.ts";
import { KleeError } from "../../errors.ts";
import type { Limits } from "../../model.ts";

/** Resources of rctl(8) with the amounts that they count in. */
const rules: readonly (readonly [resource: string, amountOf: (limits: Limits) => number | null])[] = [
  // Per cent of one processor.
  ["pcpu", ({ cpus }) => (cpus === null ? null : Math.round(cpus * 100))],
  ["memoryuse", ({ memory }) => memory],
  ["maxproc", ({ pids }) => pids],
];

/** @throws {KleeError} UNSUPPORTED when the kernel does not account. */
export function checkLimits(limits: Limits): void {
  if (limits.ports !== null)
    throw new KleeError(
      "UNSUPPORTED",
      "--ports: FreeBSD does not count the ports of a jail; they are of its own addresses",
    );
  if (Object.values(limits).some((limit) => limit !== null) && !accounts())
    throw new KleeError(
      "UNSUPPORTED",
      "limits need rctl(4), which is off: put kern.racct.enable=1 into /boot/loader.conf and boot",
    );
}

/** Limits the jail that has this name, or will have. */
export function setLimits(jail: string, limits: Limits): void {
  checkLimits(limits);
  for (const [resource, amountOf] of rules) {
    const amount = amountOf(limits);
    if (amount !== null) rctl.addLimit(`jail:${jail}:${resource}:deny=${amount}`);
  }
}

/** Gives a jail these limits in place of those it has. */
export function changeLimits(jail: string, limits: Limits): void {
  removeLimits(jail);
  setLimits(jail, limits);
}

/** Idempotent; where the kernel does not account, there are none. */
export function removeLimits(jail: string): void {
  try {
    rctl.removeLimits(`jail:${jail}`);
  } catch (error) {
    if (!isErrno(error, "ESRCH", "ENOSYS")) throw error;
  }
}

/** Kernels without RACCT have no such variable. */
function accounts(): boolean {
  try {
    return sysctl.sysctlBytes("kern.racct.enable")[0] === 1;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
