import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { lazy } from "../../../ffi/library.ts";
import { cgroupRoot } from "../../../ffi/linux/cgroup.ts";
import { renameNew } from "../../../ffi/linux/file.ts";
import { lockExistingFile, lockHolders, tryLock } from "../../../ffi/linux/flock.ts";
import { launchLater } from "../../../ffi/native.ts";
import { hostFailure } from "../../errors.ts";
import type { Host, HostListener, HostLock } from "../host.ts";
import * as locks from "../locks.ts";
import { Confinement } from "./confinement/confinement.ts";
import { DEFAULT_ROOT } from "./default-root.ts";
import { LinuxFirewall } from "./firewall.ts";
import { identityOf, isAlive, isStopped, signalIdentified } from "./identity.ts";
import { LinuxInterfaces } from "./interfaces.ts";
import { LinuxJails } from "./jails.ts";
import { listListeners } from "./listeners.ts";
import { LinuxStorage } from "./storage.ts";

/** Linux: cgroup-BPF confinement, namespaces, rtnetlink, nftables and overlayfs. */
export class LinuxHost implements Host {
  readonly name = "linux";
  readonly defaultRoot = DEFAULT_ROOT;
  // Made on demand: most commands need none of them.
  readonly #interfaces = lazy(() => new LinuxInterfaces());
  readonly #storage = lazy(() => new LinuxStorage());
  readonly #firewall: () => LinuxFirewall;
  readonly #identity = lazy(() => identityOf(process.pid));
  /** What the kernel took once it takes again. */
  readonly #checked = lazy(() => Confinement.check());
  readonly jails: LinuxJails;

  /** @param root the store's directory when it is not the default one: such a store has a firewall table of its own. */
  constructor(root: string | undefined) {
    this.#firewall = lazy(() => new LinuxFirewall(tableOf(root ?? DEFAULT_ROOT)));
    const store = root ?? DEFAULT_ROOT;
    this.jails = new LinuxJails(new Confinement({ cache: `${store}/kernel.json` }), `${store}/locks/supervisors`);
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
    return this.#identity();
  }

  isAlive(processIdentity: string): boolean {
    return isAlive(processIdentity);
  }

  isStopped(processIdentity: string): boolean {
    return isStopped(processIdentity);
  }

  resumeProcess(processIdentity: string): void {
    signalIdentified(processIdentity, constants.signals.SIGCONT);
  }

  stopProcess(processIdentity: string): void {
    signalIdentified(processIdentity, constants.signals.SIGSTOP);
  }

  lockHolders(path: string): string[] {
    return lockHolders(path).map(identityOf);
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
    signalIdentified(processIdentity, constants.signals.SIGTERM);
  }

  tryLock(path: string, make: boolean): HostLock | "held" | "absent" {
    return locks.tryLock(tryLock, path, make);
  }

  renameNew(from: string, to: string): void {
    renameNew(from, to);
  }

  async lockExisting(path: string): Promise<Disposable | undefined> {
    return lockExistingFile(path).catch(locks.cannotLock);
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
