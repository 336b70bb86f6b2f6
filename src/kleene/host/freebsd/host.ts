import { existsSync, linkSync, readFileSync, unlinkSync } from "node:fs";
import { constants } from "node:os";
import * as flock from "../../../ffi/freebsd/flock.ts";
import * as pf from "../../../ffi/freebsd/pf/index.ts";
import * as sysctl from "../../../ffi/freebsd/sysctl.ts";
import { lazy } from "../../../ffi/library.ts";
import { launchLater } from "../../../ffi/native.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import type { Host, HostLock } from "../host.ts";
import * as locks from "../locks.ts";
import { sendSignal } from "../signal.ts";
import { place } from "../store-directories.ts";
import { FreebsdFirewall } from "./firewall.ts";
import { FreebsdInterfaces } from "./interfaces.ts";
import { FreebsdJails } from "./jails.ts";
import { identityOf, isAlive, isStopped } from "./processes.ts";
import { LOOPBACK, ROOT } from "./rules.ts";
import { FreebsdStorage } from "./storage.ts";

const DEFAULT_ROOT = "/var/db/klee";
const PF_CONF = "/etc/pf.conf";

/** FreeBSD: jails, loopback clones with aliases, an anchor of pf, ZFS or directories. */
export class FreebsdHost implements Host {
  readonly name = "freebsd";
  readonly defaultRoot = DEFAULT_ROOT;
  // Made on demand: most commands need none of them.
  readonly #interfaces = lazy(() => new FreebsdInterfaces());
  readonly #firewall = lazy(() => new FreebsdFirewall());
  readonly #storage = lazy(() => new FreebsdStorage());
  // What does not change while this process lives.
  readonly #bootId = lazy(() => sysctl.sysctlBytes("kern.boot_id").toString("hex"));
  readonly #identity = lazy(() => identityOf(process.pid));
  readonly #isJailed = lazy(() => sysctl.sysctlInt("security.jail.jailed") !== 0);
  readonly jails: FreebsdJails;

  /** @param root the store's directory when it is not the default one. */
  constructor(root: string | undefined) {
    this.jails = new FreebsdJails((id) => `${place(root ?? DEFAULT_ROOT, "containers", id)}/root`);
  }

  get interfaces(): FreebsdInterfaces {
    return this.#interfaces();
  }

  get firewall(): FreebsdFirewall {
    return this.#firewall();
  }

  get storage(): FreebsdStorage {
    return this.#storage();
  }

  bootId(): string {
    return this.#bootId();
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
    if (isAlive(processIdentity)) sendSignal(Number(processIdentity.split(":")[0]), constants.signals.SIGCONT);
  }

  stopProcess(processIdentity: string): void {
    if (isAlive(processIdentity)) sendSignal(Number(processIdentity.split(":")[0]), constants.signals.SIGSTOP);
  }

  startLater(containerId: string, delayMs: number, command: readonly string[]): string {
    try {
      return identityOf(launchLater(containerId, delayMs, command, undefined));
    } catch (error) {
      throw hostFailure(`cannot start container ${containerId} later`, error);
    }
  }

  endProcess(processIdentity: string): void {
    if (isAlive(processIdentity)) sendSignal(Number(processIdentity.split(":")[0]), constants.signals.SIGTERM);
  }

  tryLock(path: string, make: boolean): HostLock | "held" | "absent" {
    return locks.tryLock(flock.tryLock, path, make);
  }

  /** No file system of FreeBSD counts a further name as a file. */
  renameNew(from: string, to: string): void {
    linkSync(from, to);
    unlinkSync(from);
  }

  async lockExisting(path: string): Promise<Disposable | undefined> {
    return flock.lockExistingFile(path).catch(locks.cannotLock);
  }

  checkSystem(): void {
    if (process.getuid?.() !== 0) throw new KleeError("PERMISSION", "klee must run as root");
    if (this.#isJailed())
      throw new KleeError(
        "UNSUPPORTED",
        "klee runs in a jail, where it can make neither interfaces nor firewall rules",
      );
  }

  /** The base system; a patch level comes by freebsd-update(8). */
  releaseArchive(server = RELEASE_SERVER): string {
    const release = sysctl.sysctlString("kern.osrelease").replace(/-p\d+$/, "");
    const kind = /-(ALPHA\d*|CURRENT|PRERELEASE|STABLE)$/.test(release) ? "snapshots" : "releases";
    const architecture = sysctl.sysctlString("hw.machine_arch");
    const machine = machines[architecture] ?? architecture;
    return `${server.replace(/\/+$/, "")}/${kind}/${machine}/${architecture}/${release}/base.txz`;
  }

  advice(): string[] {
    return [...missingLines(), ...skippedLoopback()];
  }
}

/** Laid out as its mirrors are: bsdinstall(8), mirrorselect. */
const machines: Readonly<Record<string, string>> = { aarch64: "arm64" };
const RELEASE_SERVER = "https://download.freebsd.org";

/** The calls of klee's anchor that pf.conf(5) lacks: klee makes them, but a reload of the file takes them away. */
function missingLines(): string[] {
  const text = existsSync(PF_CONF) ? readFileSync(PF_CONF, "utf8") : "";
  return ["nat-anchor", "rdr-anchor", "anchor"]
    .map((call) => `${call} "${ROOT}"`)
    .filter((line) => !text.split("\n").some((written) => written.trim().startsWith(line)))
    .map((line) => `${PF_CONF} lacks the line: ${line}`);
}

/** By lo0 go connections to the host's own addresses, which are those of containers on bridges and on interfaces of yours. */
function skippedLoopback(): string[] {
  try {
    if (pf.withPf((device) => pf.skippedInterfaces(device, LOOPBACK)).length === 0) return [];
  } catch {
    // Without pf there is more to say, and it is said elsewhere.
    return [];
  }
  return [
    `pf skips ${LOOPBACK}: containers in networks of type bridge and custom are not kept apart, and published ports do not ` +
      `work from the host; in ${PF_CONF}, write \`pass quick on lo0\` after \`anchor "${ROOT}"\` in place of \`set skip on lo\``,
  ];
}
