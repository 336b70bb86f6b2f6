import { flock, sysctl } from "../../../ffi/freebsd/index.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import type { Host } from "../host.ts";
import { place } from "../store-directories.ts";
import { FreebsdFirewall } from "./firewall.ts";
import { FreebsdInterfaces } from "./interfaces.ts";
import { FreebsdJails } from "./jails.ts";
import { identityOf, isAlive } from "./processes.ts";
import { FreebsdStorage } from "./storage.ts";

const DEFAULT_ROOT = "/var/db/klee";

/** FreeBSD: jails, loopback clones with aliases, an anchor of pf, ZFS or directories. */
export class FreebsdHost implements Host {
  readonly name = "freebsd";
  readonly defaultRoot = DEFAULT_ROOT;
  readonly interfaces = new FreebsdInterfaces();
  readonly firewall = new FreebsdFirewall();
  readonly storage = new FreebsdStorage();
  readonly jails: FreebsdJails;

  /** @param root the store's directory when it is not the default one. */
  constructor(root: string | undefined) {
    this.jails = new FreebsdJails((id) => `${place(root ?? DEFAULT_ROOT, "containers", id)}/root`);
  }

  bootId(): string {
    return sysctl.sysctlBytes("kern.boot_id").toString("hex");
  }

  processIdentity(): string {
    const identity = identityOf(process.pid);
    if (identity === undefined) throw new KleeError("HOST", "the kernel does not know this process");
    return identity;
  }

  isAlive(processIdentity: string): boolean {
    return isAlive(processIdentity);
  }

  async lock(path: string): Promise<Disposable> {
    try {
      return await flock.lockFile(path);
    } catch (error) {
      throw hostFailure("cannot lock", error);
    }
  }

  checkSystem(): void {
    if (process.getuid?.() !== 0) throw new KleeError("PERMISSION", "klee must run as root");
  }
}
