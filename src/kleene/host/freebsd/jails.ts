import { isErrno } from "../../../ffi/errno.ts";
import * as jail from "../../../ffi/freebsd/jail.ts";
import type { JailParams } from "../../../ffi/freebsd/jail-encoding.ts";
import * as jailList from "../../../ffi/freebsd/jail-list.ts";
import * as rctl from "../../../ffi/freebsd/rctl.ts";
import type { SupervisorSpec } from "../../../ffi/native.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import { isId } from "../../identity.ts";
import type { ContainerProcess, Limits, Mountpoint } from "../../model.ts";
import type { CommandSpec, HostConsole, JailParameters, JailProcess, JailSpec, Jails } from "../host.ts";
import { parseParameters } from "../parameters.ts";
import { sendSignal } from "../signal.ts";
import { openConsole, startSupervised, supervisorProcess, supervisorRun } from "../supervised.ts";
import { changeLimits, checkLimits, removeLimits, setLimits } from "./limits.ts";
import { checkMounts, JAIL_RULESET, mountAll, mountpointsBelow, unmountAll } from "./mounts.ts";
import { freebsdParameters } from "./parameters.ts";
import { describeProcesses, processesIn, waitEmpty } from "./processes.ts";

/** A jail bears the container's id as its name. Until its first command runs there is this before it. */
const STARTING = "starting-";

/** Jails by jail_set(2), their root file systems and mounts. */
export class FreebsdJails implements Jails {
  readonly #mountpointOf: (id: string) => string;

  /** @param mountpointOf where the root of a container of this store lies: jails elsewhere are another's. */
  constructor(mountpointOf: (id: string) => string) {
    this.#mountpointOf = mountpointOf;
  }

  parseParameters(parameters: readonly string[], defaultHostname: string): JailParameters {
    return parseParameters(parameters, defaultHostname, "FreeBSD", freebsdParameters);
  }

  checkMounts(mounts: readonly Mountpoint[], parameters: JailParameters): void {
    checkMounts(mounts, parameters);
  }

  checkLimits(limits: Limits): void {
    checkLimits(limits);
  }

  changeLimits(id: string, limits: Limits): void {
    try {
      changeLimits(id, limits);
    } catch (error) {
      throw hostFailure(`cannot change the limits of container ${id}`, error);
    }
  }

  async start(spec: JailSpec, first: CommandSpec): Promise<JailProcess> {
    const { id, parameters, root } = spec;
    if (root.kind === "overlay") throw new TypeError("an overlay is another host's");
    // One that was only starting is what a killed klee left: making it anew fails, and it goes.
    if (this.isRunning(id)) throw new KleeError("CONFLICT", `cannot start container ${id}: it runs already`);
    checkMounts(spec.mounts, parameters);
    try {
      const ruleset = Number(parameters.others.devfs_ruleset ?? JAIL_RULESET);
      mountAll(spec, parameters.mountDevfs ? ruleset : undefined);
      const jid = jail.jailSet(
        {
          path: root.mountpoint,
          name: STARTING + id,
          // Until the supervisor has put a process into it.
          persist: true,
          "host.hostname": parameters.hostname,
          devfs_ruleset: ruleset,
          enforce_statfs: 2,
          "allow.raw_sockets": parameters.rawSockets,
          ...networkParameters(spec),
          ...parameters.others,
        },
        "create",
      );
      setLimits(id, spec.limits);
      return await this.#launch(id, jid, supervisorRun(spec), first);
    } catch (error) {
      await this.remove(id);
      throw hostFailure(`cannot start container ${id}`, error);
    }
  }

  async exec(id: string, run: string, command: CommandSpec, withinMs?: number): Promise<JailProcess> {
    try {
      return await this.#launch(id, Number(run), null, command, withinMs);
    } catch (error) {
      // It may have ended between the caller's look and this one.
      if (!(error instanceof KleeError) && !this.isRunning(id))
        throw new KleeError("NOT_FOUND", `container ${id} has ended`, { cause: error });
      throw hostFailure(`cannot run a command in container ${id}`, error);
    }
  }

  attach(socket: string): HostConsole {
    return openConsole(socket);
  }

  running(): Map<string, number> {
    return new Map(
      jailList
        .jails()
        // Others' jails have any names; one that starts has another than its container's, by which its path would be known.
        .filter(({ name, path }) => isId(name) && path === this.#mountpointOf(name))
        .map(({ name, jid }) => [name, jid]),
    );
  }

  isRunning(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** The kernel does not give a number again before it has given all others. */
  runOf(id: string): string | undefined {
    return this.#find(id)?.toString();
  }

  unattended(ids: readonly string[]): string[] {
    const running = this.running();
    return ids.filter((id) => !running.has(id));
  }

  exists(id: string): boolean {
    return this.#jidsOf(id).length > 0 || mountpointsBelow(this.#mountpointOf(id)).length > 0;
  }

  async changeAddresses({ id, access, addresses }: Parameters<Jails["changeAddresses"]>[0]): Promise<void> {
    if (access !== "addresses") return;
    try {
      const jid = jail.jailId(id);
      if (jid !== undefined) jail.jailSetAddresses(jid, { ip4: addresses.ipv4, ip6: addresses.ipv6 });
    } catch (error) {
      throw hostFailure(`cannot change the addresses of container ${id}`, error);
    }
  }

  processes(id: string): ContainerProcess[] {
    const jid = jail.jailId(id);
    return jid === undefined ? [] : describeProcesses(processesIn(jid));
  }

  usage(id: string): ReturnType<Jails["usage"]> {
    if (!this.isRunning(id)) return undefined;
    const processes = this.processes(id);
    const sum = (amountOf: (process: ContainerProcess) => number): number =>
      processes.reduce((total, process) => total + amountOf(process), 0);
    return {
      // rctl(4) counts in whole seconds.
      cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
      memoryBytes: accountedMemory(id) ?? sum(({ residentBytes }) => residentBytes),
      processes: processes.length,
    };
  }

  signal(id: string, pid: number, signal: number): boolean {
    const jid = jail.jailId(id);
    return jid !== undefined && processesIn(jid).some((one) => one.pid === pid) && sendSignal(pid, signal);
  }

  signalAll(id: string, signal: number): void {
    const jid = jail.jailId(id);
    if (jid !== undefined) for (const { pid } of processesIn(jid)) sendSignal(pid, signal);
  }

  async waitEmpty(id: string, timeoutMs: number): Promise<boolean> {
    const jid = jail.jailId(id);
    return jid === undefined || (await waitEmpty(jid, timeoutMs));
  }

  async remove(id: string): Promise<boolean> {
    try {
      for (const jid of this.#jidsOf(id)) removeJail(jid);
      removeLimits(id);
      await unmountAll(this.#mountpointOf(id));
      // FreeBSD does not note who asked for a socket.
      return true;
    } catch (error) {
      throw hostFailure(`cannot remove the jail of container ${id}`, error);
    }
  }

  /** Its jail, of this name; undefined when there is none, or it is that of another store's container. */
  #find(id: string, name = id): number | undefined {
    return unlessAbsent(() => {
      const { jid, values } = jail.jailGet({ name }, { path: "string" });
      return values.path === this.#mountpointOf(id) ? jid : undefined;
    });
  }

  /** Its jails, a starting one among them. */
  #jidsOf(id: string): number[] {
    return [id, STARTING + id].map((name) => this.#find(id, name)).filter((jid) => jid !== undefined);
  }

  #launch(
    id: string,
    jid: number,
    run: SupervisorSpec["run"],
    command: CommandSpec,
    withinMs?: number,
  ): Promise<JailProcess> {
    const spec: SupervisorSpec = {
      mode: run === null ? "exec" : "run",
      container: id,
      run,
      process: supervisorProcess(command),
      freebsd: { jid, library: process.env.KLEE_LIBC ?? null },
    };
    return startSupervised(spec, command, { withinMs });
  }
}

/** A jail's share of the host's network; addresses of its own can be changed later, be there none now. */
function networkParameters({ access, addresses }: Pick<JailSpec, "access" | "addresses">): JailParams {
  switch (access) {
    case "addresses":
      return { "ip4.addr": addresses.ipv4, "ip6.addr": addresses.ipv6 };
    case "host":
      return { ip4: { sys: "inherit" }, ip6: { sys: "inherit" } };
    case "none":
      return { ip4: { sys: "disable" }, ip6: { sys: "disable" } };
  }
}

/** Bytes, as rctl(4) accounts them; undefined where the kernel does not, or the jail has gone. */
function accountedMemory(id: string): number | undefined {
  try {
    const memory = rctl.usage(`jail:${id}`).get("memoryuse");
    return memory === undefined ? undefined : Number(memory);
  } catch (error) {
    if (isErrno(error, "ENOSYS", "ESRCH")) return undefined;
    throw error;
  }
}

function unlessAbsent<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function removeJail(jid: number): void {
  try {
    jail.jailRemove(jid);
  } catch (error) {
    // It ended by itself meanwhile.
    if (!isErrno(error, "EINVAL")) throw error;
  }
}
