import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { isAbsolute } from "node:path";
import { Containers } from "./container/containers.ts";
import type { Context } from "./context.ts";
import { KleeError, messageOf } from "./errors.ts";
import type { Host } from "./host/host.ts";
import { selectHost } from "./host/select.ts";
import { Images } from "./image/images.ts";
import { Networks } from "./network/networks.ts";
import { packagePath } from "./package.ts";
import { Store } from "./store/store.ts";
import { turnsOf } from "./store/turns.ts";
import { System } from "./system/system.ts";
import { Volumes } from "./volume/volumes.ts";

/** Which store, which kernel, and how strict. */
export interface KleeOptions {
  /** Directory of the store, absolute; default: KLEE_ROOT, else the host's. */
  readonly root?: string | undefined;
  /** The kernel to work on; default: this machine's. */
  readonly host?: Host | undefined;
  /**
   * If what a crash left behind cannot be repaired: true (default) fails, false warns. Commands that only read give false;
   * a change could run into what is half-made.
   */
  readonly mustRepair?: boolean | undefined;
  /** Called with a line for what goes wrong besides the request itself: a container that does not start after a boot. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Kleene on one store: what the `klee` command does, as a library. */
export class Klee {
  readonly networks: Networks;
  readonly containers: Containers;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly system: System;
  readonly #context: Context;

  /** @internal Made by {@link openKlee}. */
  constructor(context: Context) {
    this.#context = context;
    this.networks = new Networks(context);
    this.containers = new Containers(context);
    this.images = new Images(context);
    this.volumes = new Volumes(context);
    this.system = new System(context);
  }

  /** Closes the store. Containers run on. */
  close(): Promise<void> {
    return this.#context.store.close();
  }
}

/** Makes the files of the locks that all commands share now: a command that removes something may find no free inode. */
function makeLocks(root: string): void {
  mkdirSync(`${root}/locks`, { recursive: true, mode: 0o700 });
  for (const name of ["reconcile", "firewall", "store"]) {
    const path = `${root}/locks/${name}`;
    if (existsSync(path)) continue;
    try {
      closeSync(openSync(path, "a", 0o600));
    } catch (error) {
      // A command that needs the lock will fail, and say why.
      if (!["ENOSPC", "EDQUOT", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}

/**
 * Opens the store, making it when there is none, and repairs first what a crash or a boot of the host left behind.
 * @throws {KleeError} PERMISSION when not root; HOST when the store cannot be used.
 */
export async function openKlee(options: KleeOptions = {}): Promise<Klee> {
  const asked = options.root ?? process.env.KLEE_ROOT;
  if (asked !== undefined && !isAbsolute(asked))
    throw new KleeError("INVALID", `the store's directory must be an absolute path: ${asked}`);
  const host = options.host ?? (await selectHost(asked));
  const root = asked ?? host.defaultRoot;
  if (process.geteuid?.() !== 0)
    throw new KleeError("PERMISSION", "klee changes the host's network and needs root; run it as root");
  const look = options.mustRepair === false;
  const store = await Store.open(root, { turns: turnsOf(host, root), room: host, look });
  try {
    makeLocks(root);
    const self = [process.execPath, "--", packagePath("dist/klee.cjs")];
    const klee = new Klee({ root, store, host, self, warn: options.onWarning ?? (() => undefined) });
    try {
      await klee.system.repairIfNeeded();
    } catch (error) {
      if (options.mustRepair ?? true) throw error;
      options.onWarning?.(`what a crash or a boot left behind is not repaired: ${messageOf(error)}`);
    }
    return klee;
  } catch (error) {
    await store.close();
    throw error;
  }
}
