import { mkdirSync } from "node:fs";
import type { Host } from "../host/host.ts";
import { acquire, type LockTimeouts } from "../locks.ts";
import type { Turns } from "./store.ts";

/** Enough for fifty commands that write at once on a slow disk. */
const STORE_WAIT: LockTimeouts = { workingMs: 60_000, stoppedMs: 10_000 };

/** Who may write to the store of a directory, and who is in the way: docs/decisions/0018-locks-of-those-that-stand-still.md. */
export function turnsOf(host: Host, root: string): Turns {
  const resumed = new Set<string>();
  return {
    async take(work) {
      mkdirSync(`${root}/locks`, { recursive: true, mode: 0o700 });
      using _lock = await acquire(host, {
        path: `${root}/locks/store`,
        of: `the store ${root}`,
        ...STORE_WAIT,
        wake: true,
      });
      return await work();
    },
    resumeHolders(files) {
      const own = host.processIdentity();
      const holders = [...new Set(files.flatMap((file) => host.lockHolders?.(file) ?? []))].filter(
        (one) => one !== own,
      );
      for (const holder of holders.filter((one) => host.isStopped(one))) {
        resumed.add(holder);
        host.resumeProcess(holder);
      }
      const pids = holders.map((holder) => holder.split(":")[0]);
      return pids.length === 0 ? "another process" : `process ${pids.join(", ")}`;
    },
    settled() {
      for (const holder of resumed) host.stopProcess(holder);
      resumed.clear();
    },
  };
}
