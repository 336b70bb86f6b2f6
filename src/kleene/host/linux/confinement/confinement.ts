import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import {
  cgroupId,
  childrenOf,
  isPopulated,
  killCgroup,
  makeCgroup,
  ownProcessesOf,
  processesOf,
  removeCgroup,
} from "../../../../ffi/linux/cgroup.ts";
import type { Fd } from "../../../../ffi/linux/fd.ts";
import { networkNamespaceCookie } from "../../../../ffi/linux/network-namespace.ts";
import { waitCgroupEmpty } from "../../../../ffi/native.ts";
import { retry } from "../../../../ffi/retry.ts";
import { KleeError } from "../../../errors.ts";
import { type Attachment, attach, detach, findAttachment, PARENT_TRIES } from "./attachment.ts";
import { ADDRESSES_MAX, type ConfinementSpec, encodeEntry, PORTS_DEFAULT } from "./entry.ts";
import { openLookupLink } from "./lookup-link.ts";
import { Registry } from "./registry.ts";
import { checkKernel, findCgroupRoot } from "./requirements.ts";

export type { ConfinementSpec } from "./entry.ts";
export { markOf } from "./mark.ts";

/** A killed process is gone when what it was doing in the kernel is done. */
const KILL_TIMEOUT_MS = 10_000;
const leaves = ["init", "payload"] as const;

/**
 * Confines containers to their own addresses. Programs are attached once, to a parent cgroup; what they know of each
 * container is in maps, by the id of its cgroup: `klee/ID`, with `init` for its pid 1 and `payload` for all others.
 * A cgroup below the parent that is not registered can do nothing on the network. What a container sees of it, and what
 * a jail on FreeBSD would have and this has not: docs/linux-confinement.md.
 */
export class Confinement implements Disposable {
  readonly #parentName: string;
  readonly #cache: string | undefined;
  #root: string | undefined;
  #attachment: Attachment | undefined;
  #link: Fd | undefined;

  /** @param options parent: name of the parent cgroup, below the root of the hierarchy; cache: see {@link attach}. */
  constructor(options: { readonly parent?: string; readonly cache?: string } = {}) {
    this.#parentName = options.parent ?? "klee";
    this.#cache = options.cache;
  }

  /** @throws {KleeError} PERMISSION or UNSUPPORTED, with the remedy, when this host cannot confine containers. */
  static check(): void {
    findCgroupRoot();
    checkKernel();
  }

  /** @throws {KleeError} UNSUPPORTED when there is no cgroup2. */
  get cgroupRoot(): string {
    this.#root ??= findCgroupRoot();
    return this.#root;
  }

  /** Directory of a container's cgroup. */
  pathOf(id: string): string {
    return join(this.#parent, checkedId(id));
  }

  /** Directory of the cgroup of all its processes but pid 1. */
  payloadPath(id: string): string {
    return join(this.pathOf(id), "payload");
  }

  /**
   * Makes a container's cgroups and registers it, before anything runs there. All is undone when that fails.
   *
   * @throws {KleeError} CONFLICT when it has cgroups already, or an address is another container's.
   * @throws {SyscallError}
   */
  create(id: string, spec: ConfinementSpec): void {
    const encoded = encode(checkedId(id), spec);
    // Another klee may remove the parent with its last container, between the two.
    const { attachment, path } = retry(
      PARENT_TRIES,
      (error) => isErrno(error, "ENOENT"),
      () => {
        const attachment = this.#attach();
        const path = `${attachment.path}/${id}`;
        if (!makeCgroup(path)) throw new KleeError("CONFLICT", `container ${id} has a cgroup already`);
        return { attachment, path };
      },
    );
    try {
      this.#registry(attachment).put(idOf(path), encoded);
      for (const leaf of leaves) makeCgroup(`${path}/${leaf}`);
    } catch (error) {
      this.#discard(attachment, path);
      throw error;
    }
  }

  /**
   * Changes a running container's addresses. Connections to an address it loses hear nothing any more; a listener on
   * the wildcard goes on with the new ones.
   *
   * @throws {KleeError} NOT_FOUND when it does not run, CONFLICT when an address is another container's.
   */
  update(id: string, spec: ConfinementSpec): void {
    const encoded = encode(checkedId(id), spec);
    const cgroup = cgroupId(this.pathOf(id));
    if (cgroup === undefined) throw new KleeError("NOT_FOUND", `container ${id} has no cgroup`);
    this.#registry(this.#attach()).put(cgroup, encoded);
  }

  /** Containers with more listeners than the look-up program can find, now or earlier in their runs. */
  overfull(): string[] {
    using found = findAttachment(this.#parent) ?? null;
    if (found === null) return [];
    const registry = this.#registry(found);
    return childrenOf(this.#parent).filter((id) => {
      const cgroup = isId(id) ? cgroupId(this.pathOf(id)) : undefined;
      return cgroup !== undefined && registry.lostListeners(cgroup) > 0;
    });
  }

  /** Lets a running container have so many ports of the host from now on; undefined: as many as those without a limit. */
  limitPorts(id: string, ports: number | undefined): void {
    const cgroup = cgroupId(this.pathOf(id));
    if (cgroup !== undefined) this.#registry(this.#attach()).limitPorts(cgroup, ports ?? PORTS_DEFAULT);
  }

  /**
   * Descriptors that a container's supervisor keeps open for its life: the program that brings connections to wildcard
   * listeners is attached to this process's network namespace while one is open. They stay this object's own.
   */
  holdFds(): number[] {
    const attachment = this.#attach();
    this.#link ??= openLookupLink(attachment);
    return [this.#link.number];
  }

  /**
   * Kills what runs in the container, removes its cgroups and its entry. Idempotent.
   *
   * @returns false when none of its processes ever asked for a socket of the internet; true when nobody knows.
   */
  async remove(id: string): Promise<boolean> {
    const path = this.pathOf(id);
    const cgroup = cgroupId(path);
    let sockets = true;
    if (cgroup !== undefined) {
      await killAll(path);
      sockets = this.#unregister(cgroup);
      removeCgroups(path);
    }
    this.removeParentIfUnused();
    return sockets;
  }

  /**
   * Removes the parent cgroup, and the programs with it, when no container is left.
   *
   * @returns false when it stays: a container is there, or is being made.
   */
  removeParentIfUnused(): boolean {
    const gone = detach(this.#parent);
    if (gone) this.close();
    return gone;
  }

  /** Containers whose pid 1 lives. */
  list(): { readonly id: string; readonly initPid: number }[] {
    return childrenOf(this.#parent).flatMap((id) => {
      const initPid = isId(id) ? this.initPid(id) : undefined;
      return initPid === undefined ? [] : [{ id, initPid }];
    });
  }

  /** Is there a cgroup of this container, whether anything runs in it or not? */
  exists(id: string): boolean {
    return cgroupId(this.pathOf(id)) !== undefined;
  }

  /** Names its cgroup, as no later one of the same container is named. */
  identityOf(id: string): string | undefined {
    return cgroupId(this.pathOf(id))?.toString();
  }

  /** Pid of its pid 1 on the host. */
  initPid(id: string): number | undefined {
    return ownProcessesOf(`${this.pathOf(id)}/init`)[0];
  }

  /** Does a process other than pid 1 run in it? */
  populated(id: string): boolean {
    return isPopulated(this.payloadPath(id));
  }

  /** Pids on the host of its processes, pid 1 left out. */
  processes(id: string): number[] {
    return processesOf(this.payloadPath(id));
  }

  /** Closes what this object holds open; it opens it again when needed. Containers are not touched. */
  close(): void {
    this.#link?.close();
    this.#link = undefined;
    this.#attachment?.[Symbol.dispose]();
    this.#attachment = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #parent(): string {
    return join(this.cgroupRoot, this.#parentName);
  }

  #attach(): Attachment {
    const known = this.#known();
    if (known !== undefined) return known;
    this.close();
    this.#attachment = attach(this.#parent, this.#parentName.split("/").length + 1, this.#cache);
    return this.#attachment;
  }

  /** What this object holds open, if it is still the parent cgroup's. */
  #known(): Attachment | undefined {
    const known = this.#attachment;
    const cgroup = known && cgroupId(known.path);
    return cgroup !== undefined && cgroup === cgroupId(this.#parent) ? known : undefined;
  }

  #registry({ maps, path }: Attachment): Registry {
    const isLive = (cgroup: bigint): boolean => childrenOf(path).some((id) => cgroupId(`${path}/${id}`) === cgroup);
    return new Registry(maps, isLive);
  }

  /** Under programs of another version there is no entry that this one could read: ids are not used again. */
  #unregister(cgroup: bigint): boolean {
    const known = this.#known();
    if (known !== undefined) return this.#registry(known).remove(cgroup);
    using found = findAttachment(this.#parent) ?? null;
    return found === null || this.#registry(found).remove(cgroup);
  }

  #discard(attachment: Attachment, path: string): void {
    const cgroup = cgroupId(path);
    if (cgroup !== undefined) this.#registry(attachment).remove(cgroup);
    removeCgroups(path);
    this.removeParentIfUnused();
  }
}

function encode(id: string, spec: ConfinementSpec): Buffer {
  for (const addresses of [spec.ipv4, spec.ipv6]) {
    if (addresses.length > ADDRESSES_MAX)
      throw new KleeError("UNSUPPORTED", `a container has at most ${ADDRESSES_MAX} addresses of a family`);
  }
  return encodeEntry(id, spec, { namespace: networkNamespaceCookie(), ipv6Only: ipv6OnlyByDefault() });
}

/** net.ipv6.bindv6only, which is not there when the kernel has no IPv6. */
function ipv6OnlyByDefault(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv6/bindv6only", "utf8").trim() === "1";
  } catch {
    return false;
  }
}

/** Ids become names of directories and marks of packets. */
function isId(id: string): boolean {
  return /^[0-9a-f]{8,64}$/.test(id);
}

function checkedId(id: string): string {
  if (!isId(id)) throw new KleeError("INVALID", `not a container id: ${JSON.stringify(id)}`);
  return id;
}

function idOf(path: string): bigint {
  const id = cgroupId(path);
  if (id === undefined) throw new KleeError("HOST", `${path} has gone`);
  return id;
}

async function killAll(path: string): Promise<void> {
  if (!isPopulated(path)) return;
  killCgroup(path);
  try {
    if (await waitCgroupEmpty(path, KILL_TIMEOUT_MS)) return;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  throw new KleeError("HOST", `processes ${processesOf(path).join(", ")} were killed and do not end`);
}

/** Removes a container's cgroups; nothing runs there. */
function removeCgroups(path: string): void {
  // Somebody else may have made more of them.
  if (!leaves.every((leaf) => removeCgroup(`${path}/${leaf}`)) || !removeCgroup(path)) removeTree(path);
}

/** Removes a cgroup and all below it. */
function removeTree(path: string): void {
  for (const child of childrenOf(path)) removeTree(join(path, child));
  if (!removeCgroup(path)) throw new KleeError("HOST", `cgroup ${path} cannot be removed: it is in use`);
}
