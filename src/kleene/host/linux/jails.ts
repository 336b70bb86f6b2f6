import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { isErrno } from "../../../ffi/errno.ts";
import { shareByte, sharedAmong } from "../../../ffi/linux/byte-locks.ts";
import { cgroupUsage } from "../../../ffi/linux/cgroup.ts";
import type { LinuxJail, SupervisorRun, SupervisorSpec } from "../../../ffi/native.ts";
import { waitCgroupEmpty } from "../../../ffi/native.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import type { ContainerProcess, Limits, Mountpoint } from "../../model.ts";
import type { CommandSpec, HostConsole, JailParameters, JailProcess, JailSpec, Jails } from "../host.ts";
import { type HostParameters, parseParameters } from "../parameters.ts";
import { writeResolver } from "../resolver-file.ts";
import { sendSignal } from "../signal.ts";
import { openConsole, startSupervised, supervisorProcess, supervisorRun } from "../supervised.ts";
import type { Confinement } from "./confinement/confinement.ts";
import { LISTENERS_MAX } from "./confinement/entry.ts";
import { CgroupLimits } from "./limits.ts";
import { processOf } from "./processes.ts";

/** Of /dev, what a terminal needs. */
const OWN_DEVICES = ["/dev/pts", "/dev/ptmx"];

/** What no jail has: FreeBSD has no unix sockets without a file. */
const ABSTRACT_SOCKETS = "allow.abstract_sockets";

const linuxParameters: HostParameters = (name) => (name === ABSTRACT_SOCKETS ? "boolean" : undefined);

const allowed = ({ rawSockets, others }: JailParameters) => ({
  rawSockets,
  abstractSockets: others[ABSTRACT_SOCKETS] === true,
});

const isBelow = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);

/** Jails on Linux: a cgroup with klee's BPF programs for the network, namespaces and an overlay for the rest. */
export class LinuxJails implements Jails {
  readonly #confinement: Confinement;
  readonly #limits: CgroupLimits;
  /** File of which each supervisor shares a byte while it lives: who looks finds all by one look. */
  readonly #supervisors: string;

  constructor(confinement: Confinement, supervisors: string) {
    this.#confinement = confinement;
    this.#supervisors = supervisors;
    this.#limits = new CgroupLimits(confinement);
  }

  parseParameters(parameters: readonly string[], defaultHostname: string): JailParameters {
    return parseParameters(parameters, defaultHostname, "Linux", linuxParameters);
  }

  checkMounts(mounts: readonly Mountpoint[], { mountDevfs }: JailParameters): void {
    for (const { destination } of mounts) {
      const refuse = (why: string): KleeError => new KleeError("INVALID", `cannot mount on ${destination}: ${why}`);
      if (isBelow(destination, "/proc")) throw refuse("/proc is what the kernel shows; name another place");
      if (mountDevfs && (destination === "/dev" || OWN_DEVICES.some((own) => isBelow(destination, own))))
        throw refuse("klee makes it; name another place, as one below /dev, or give -J mount.devfs=false");
    }
  }

  checkLimits(limits: Limits): void {
    this.#limits.check(limits);
  }

  changeLimits(id: string, limits: Limits): void {
    try {
      this.#limits.change(id, limits);
      this.#confinement.limitPorts(id, limits.ports ?? undefined);
    } catch (error) {
      const full = isErrno(error, "EBUSY");
      const why = full ? ", which uses more memory than that; stop it first, or give it more" : "";
      throw hostFailure(`cannot change the limits of container ${id}${why}`, error);
    }
  }

  async start(spec: JailSpec, first: CommandSpec): Promise<JailProcess> {
    const { id, parameters } = spec;
    const ports = spec.limits.ports ?? undefined;
    const { root } = spec;
    if (root.kind !== "overlay") throw new TypeError(`a root of kind ${root.kind} is another host's`);
    this.checkMounts(spec.mounts, parameters);
    // Outside the undoing below: what fails here because the container runs must not end it.
    try {
      const { access, addresses } = spec;
      this.#confinement.create(id, { access, ...addresses, ...allowed(parameters), ports });
    } catch (error) {
      throw hostFailure(`cannot start container ${id}`, error);
    }
    try {
      this.#limits.set(id, spec.limits);
      writeResolver(root.upper, spec.resolver);
      mkdirSync(dirname(this.#supervisors), { recursive: true, mode: 0o700 });
      using life = shareByte(this.#supervisors, byteOf(id));
      const heldFds = [life.number, ...(spec.access === "addresses" ? this.#confinement.holdFds() : [])];
      const jail = {
        root: { lower: root.lower, upper: root.upper, work: root.work, mountpoint: root.mountpoint },
        hostname: parameters.hostname,
        devfs: parameters.mountDevfs,
        mounts: spec.mounts.map(({ source, destination, read_only }) => ({ source, destination, read_only })),
      };
      const groups = this.#limits.groupsOf(id);
      return await this.#launch(id, { groups, jail }, supervisorRun(spec), first, { heldFds });
    } catch (error) {
      await this.remove(id);
      throw hostFailure(`cannot start container ${id}`, error);
    }
  }

  async exec(id: string, run: string, command: CommandSpec, withinMs?: number): Promise<JailProcess> {
    try {
      const groups = this.#limits.groupsOf(id);
      const started = await this.#launch(id, { cgroup_id: run, groups, jail: null }, null, command, { withinMs });
      this.#limits.enter(id, groups);
      return started;
    } catch (error) {
      // It may have ended between the caller's look and this one.
      if (!(error instanceof KleeError) && !this.isRunning(id))
        throw new KleeError("NOT_FOUND", `container ${id} has ended`, { cause: error });
      // cgroups(7), pids.max of version 2; version 1 lets the first process in.
      const full = isErrno(error, "EAGAIN");
      const why = full ? ", which has as many processes as it may; end some, or give it more" : "";
      throw hostFailure(`cannot run a command in container ${id}${why}`, error);
    }
  }

  attach(socket: string): HostConsole {
    return openConsole(socket);
  }

  running(): Map<string, number> {
    const running = new Map<string, number>();
    for (const { id, initPid } of this.#confinement.list()) if (this.#lives(id)) running.set(id, initPid);
    return running;
  }

  isRunning(id: string): boolean {
    return this.#confinement.initPid(id) !== undefined && this.#lives(id);
  }

  /** A pid 1 alone is what is left of a container whose supervisor was killed; until then, it may be a persistent one. */
  #lives(id: string): boolean {
    return this.#confinement.populated(id) || this.#attended([id]).has(byteOf(id));
  }

  /** The bytes of those whose supervisors live. */
  #attended(ids: readonly string[]): ReadonlySet<number> {
    return sharedAmong(this.#supervisors, ids.map(byteOf));
  }

  runOf(id: string): string | undefined {
    // In this order: the cgroup of this id, if not another one already, is the one that pid 1 was seen in.
    const cgroup = this.#confinement.identityOf(id);
    return this.isRunning(id) ? cgroup : undefined;
  }

  unattended(ids: readonly string[]): string[] {
    const attended = this.#attended(ids);
    return ids.filter((id) => !attended.has(byteOf(id)) && !this.isRunning(id));
  }

  exists(id: string): boolean {
    return this.#confinement.exists(id);
  }

  /** What of running containers the administrator should know, one line each. */
  advice(): string[] {
    return this.#confinement
      .overfull()
      .map(
        (id) =>
          `container ${id} has listened on more than ${LISTENERS_MAX} TCP sockets at once: those beyond are reached on its ` +
          "first address alone, until it is started again",
      );
  }

  async changeAddresses({ id, access, addresses, parameters }: Parameters<Jails["changeAddresses"]>[0]): Promise<void> {
    try {
      this.#confinement.update(id, { access, ...addresses, ...allowed(parameters) });
    } catch (error) {
      throw hostFailure(`cannot change the addresses of container ${id}`, error);
    }
  }

  processes(id: string): ContainerProcess[] {
    if (!this.exists(id)) return [];
    const found = this.#confinement.processes(id).map(processOf);
    return found.filter((one) => one !== undefined).sort((a, b) => a.pid - b.pid);
  }

  usage(id: string): ReturnType<Jails["usage"]> {
    if (!this.exists(id)) return undefined;
    const used = cgroupUsage(this.#confinement.payloadPath(id));
    if (used === undefined) return undefined;
    const processes = this.processes(id);
    return {
      cpuSeconds: used.cpuMicroseconds / 1e6,
      // What processes share is counted for each of them then.
      memoryBytes: used.memoryBytes ?? processes.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
      processes: processes.length,
    };
  }

  signal(id: string, pid: number, signal: number): boolean {
    return this.#confinement.processes(id).includes(pid) && sendSignal(pid, signal);
  }

  signalAll(id: string, signal: number): void {
    for (const pid of this.#confinement.processes(id)) sendSignal(pid, signal);
  }

  waitEmpty(id: string, timeoutMs: number): Promise<boolean> {
    return waitCgroupEmpty(this.#confinement.payloadPath(id), timeoutMs);
  }

  async remove(id: string): Promise<boolean> {
    try {
      const sockets = await this.#confinement.remove(id);
      this.#limits.remove(id);
      return sockets;
    } catch (error) {
      throw hostFailure(`cannot remove the jail of container ${id}`, error);
    }
  }

  #launch(
    id: string,
    jail: Pick<LinuxJail, "cgroup_id" | "groups" | "jail">,
    run: SupervisorRun | null,
    command: CommandSpec,
    options: Parameters<typeof startSupervised>[2],
  ): Promise<JailProcess> {
    const spec: SupervisorSpec = {
      mode: run === null ? "exec" : "run",
      container: id,
      run,
      process: supervisorProcess(command),
      linux: {
        cgroup_root: this.#confinement.cgroupRoot,
        cgroup: this.#confinement.pathOf(id),
        raw_sockets: command.rawSockets,
        network: command.access,
        ...jail,
      },
    };
    return startSupervised(spec, command, options);
  }
}

/** A container's byte of the supervisors' file: its id as a number. */
const byteOf = (id: string): number => Number.parseInt(id.slice(0, 12), 16);
