import { constants } from "node:os";
import { pathOfOpen, tryLockCgroup } from "../../../../ffi/linux/cgroup.ts";
import type { Fd } from "../../../../ffi/linux/fd.ts";
import { lockHolders } from "../../../../ffi/linux/flock.ts";
import { usleep } from "../../../../ffi/linux/libc.ts";
import { Backoff } from "../../../../ffi/retry.ts";
import { KleeError } from "../../../errors.ts";
import { identityOf, isStopped, signalIdentified } from "../identity.ts";

/** What is done with the lock takes milliseconds: who has it for so long stands still. */
const SET_UP_MS = 10_000;

/**
 * As other locks that all need (docs/decisions/0018-locks-of-those-that-stand-still.md), but that nothing can be noted in a
 * cgroup's directory: the kernel tells who has it, and who waited stops again whom it continued.
 * @throws {KleeError} CONFLICT naming the holder.
 */
export function waitForLock(cgroup: Fd): void {
  const backoff = new Backoff(SET_UP_MS, usleep);
  const continued = new Set<string>();
  while (!tryLockCgroup(cgroup)) {
    const [pid] = lockHolders(pathOfOpen(cgroup));
    const holder = pid === undefined ? "" : identityOf(pid);
    if (isStopped(holder)) {
      continued.add(holder);
      signalIdentified(holder, constants.signals.SIGCONT);
    }
    if (!backoff.pause())
      throw new KleeError(
        "CONFLICT",
        `the cgroup of all containers is being set up by process ${pid ?? "of another namespace"} for ${SET_UP_MS / 1000} s; ` +
          `wait for it, or end it${pid === undefined ? "" : ` with 'kill -KILL ${pid}'`}`,
      );
  }
  for (const holder of continued) signalIdentified(holder, constants.signals.SIGSTOP);
}
