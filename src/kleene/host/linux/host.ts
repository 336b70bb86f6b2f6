import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { lazy } from "../../../ffi/library.ts";
import { cgroupRoot } from "../../../ffi/linux/cgroup.ts";
import { lockExistingFile, lockFile } from "../../../ffi/linux/flock.ts";
import { launchLater } from "../../../ffi/native.ts";
import { hostFailure } from "../../errors.ts";
import type { Host, HostListener } from "../host.ts";
import { sendSignal } from "../signal.ts";
import { Confinement } from "./confinement/confinement.ts";
import { LinuxFirewall } from "./firewall.ts";
import { LinuxInterfaces } from "./interfaces.ts";
import { LinuxJails } from "./jails.ts";
import { listListeners } from "./listeners.ts";
import { LinuxStorage } from "./storage.ts";

const DEFAULT_ROOT = "/var/lib/klee";

/** Linux: cgroup-BPF confinement, namespaces, rtnetlink, nftables and overlayfs. */
export class LinuxHost implements Host {
  readonly name = "linux";
  readonly defaultRoot = DEFAULT_ROOT;
  // Made on demand: most commands need none of them.
  readonly #interfaces = lazy(() => new LinuxInterfaces());
  readonly #storage = lazy(() => new LinuxStorage());
  readonly #firewall: () => LinuxFirewall;
  /** What the kernel took once it takes again. */
  readonly #checked = lazy(() => Confinement.check());
  readonly jails: LinuxJails;

  /** @param root the store's directory when it is not the default one: such a store has a firewall table of its own. */
  constructor(root: string | undefined) {
    this.#firewall = lazy(() => new LinuxFirewall(tableOf(root ?? DEFAULT_ROOT)));
    this.jails = new LinuxJails(new Confinement(), `${root ?? DEFAULT_ROOT}/locks/supervisors`);
  }

  get interfaces(): LinuxInterfaces {
    return this.#interfaces();
  }

  get storage(): LinuxStorage {
    return this.#storage();
  }

  get firewall(): LinuxFirewall {
    return this.#firewall();
  }

  bootId(): string {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  }

  processIdentity(): string {
    return identityOf(process.pid);
  }

  isAlive(processIdentity: string): boolean {
    const [pid, start] = processIdentity.split(":");
    return start !== undefined && startOf(Number(pid)) === start;
  }

  startLater(containerId: string, delayMs: number, command: readonly string[]): string {
    const cgroup = cgroupRoot();
    try {
      return identityOf(launchLater(containerId, delayMs, command, cgroup && `${cgroup}/cgroup.procs`));
    } catch (error) {
      throw hostFailure(`cannot start container ${containerId} later`, error);
    }
  }

  endProcess(processIdentity: string): void {
    if (this.isAlive(processIdentity)) sendSignal(Number(processIdentity.split(":")[0]), constants.signals.SIGTERM);
  }

  async lock(path: string): Promise<Disposable> {
    return lockFile(path).catch(cannotLock);
  }

  async lockExisting(path: string): Promise<Disposable | undefined> {
    return lockExistingFile(path).catch(cannotLock);
  }

  listeners(): HostListener[] {
    return listListeners();
  }

  checkSystem(): void {
    this.#checked();
  }

  advice(): string[] {
    return cgroupRoot() === undefined ? [] : this.jails.advice();
  }
}

function tableOf(root: string): string {
  if (root === DEFAULT_ROOT) return "klee";
  return `klee_${fnv1a(root).toString(16).padStart(8, "0")}`;
}

/** FNV-1a of 32 bits: all that is asked of it is to differ, and Node's own hashes take 3 ms to load. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

const identityOf = (pid: number): string => `${pid}:${startOf(pid)}`;

/** proc(5), /proc/pid/stat, starttime (22): clock ticks after boot. Undefined when it has ended. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses, and may itself hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function cannotLock(error: unknown): never {
  throw hostFailure("cannot lock", error);
}
