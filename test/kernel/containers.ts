import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { openDescriptors } from "../../src/ffi/linux/fd.ts";
import { Confinement, type ConfinementSpec } from "../../src/kleene/host/linux/confinement/confinement.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";
import { Probe } from "./probe.ts";

let count = 0;

/** Moves into a network namespace of its own, whose loopback interface has these addresses. */
export function enterNetwork(...addresses: readonly string[]): void {
  enterNetworkNamespace();
  ip("link", "set", "lo", "up");
  for (const address of addresses) ip("address", "add", address, "dev", "lo");
}

export function ip(...args: readonly string[]): void {
  execFileSync("ip", args);
}

/** Containers of one test, with processes in them; all is removed when the test ends. */
export class Containers {
  readonly parent = `klee-test-${process.pid}-${count++}`;
  readonly confinement = new Confinement({ parent: this.parent });
  readonly #ids: string[] = [];
  readonly #probes: Probe[] = [];

  /** Makes a container and starts a process in it. */
  async start(spec: Partial<ConfinementSpec>): Promise<Probe & { readonly id: string }> {
    const id = this.create(spec);
    return Object.assign(await this.enter(id), { id });
  }

  create(spec: Partial<ConfinementSpec>): string {
    const id = `c0ffee${String(count++).padStart(6, "0")}`;
    this.confinement.create(id, { access: "addresses", ipv4: [], ipv6: [], rawSockets: false, ...spec });
    this.#ids.push(id);
    this.confinement.holdFds();
    return id;
  }

  /** Starts one more process in a container. */
  async enter(id: string): Promise<Probe> {
    return this.track(await Probe.start(this.confinement.payloadPath(id)));
  }

  /** Starts a process outside of all containers. */
  async host(): Promise<Probe> {
    return this.track(await Probe.start());
  }

  track(probe: Probe): Probe {
    this.#probes.push(probe);
    return probe;
  }

  async remove(): Promise<void> {
    for (const probe of this.#probes) await probe.stop();
    for (const id of this.#ids) await this.confinement.remove(id);
    this.confinement.close();
  }
}

/** Runs the body, then removes what it made, and checks that all of it is gone. */
export async function withContainers(body: (containers: Containers) => Promise<void>): Promise<void> {
  const containers = new Containers();
  try {
    await body(containers);
  } finally {
    await containers.remove();
  }
  assert.equal(containers.confinement.removeParentIfUnused(), true, "the parent cgroup is gone");
  assert.deepEqual(openDescriptors(), [], "no descriptor is left open");
}
