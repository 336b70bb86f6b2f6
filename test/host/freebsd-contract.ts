import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { after, describe } from "node:test";
import { ifaddr, ifaddrs, ifclone } from "../../src/ffi/freebsd/index.ts";
import { FreebsdHost } from "../../src/kleene/host/freebsd/host.ts";
import { needs } from "../support/gate.ts";
import { enterMountNamespace } from "../support/namespaces.ts";
import { buildRoot } from "../support/rootfs.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { type SimulatedMachine, type SimulatedRelease, Simulator } from "../support/simulator.ts";
import { interfacesContract } from "./contract/interfaces.ts";
import { jailsContract } from "./contract/jails.ts";
import { processesContract } from "./contract/processes.ts";
import type { World } from "./contract/world.ts";

function makeWorld(machine: SimulatedMachine): World {
  enterMountNamespace();
  const simulator = new Simulator(machine);
  simulator.use();
  after(() => simulator[Symbol.dispose]());
  const { directory } = simulator;
  const root = join(directory, "store");
  return {
    host: new FreebsdHost(root),
    root,
    loopback: "lo0",
    addressesSeen(interfaceName) {
      const found = ifaddrs.listInterfaces().find(({ name }) => name === interfaceName);
      return (found?.addresses ?? [])
        .filter(({ address }) => address !== "::1" && !address.startsWith("fe80:"))
        .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
    },
    makeForeign(interfaceName, addresses) {
      ifclone.renameInterface(ifclone.createInterface("lo"), interfaceName);
      for (const alias of addresses) {
        const [address = "", prefixLength] = alias.split("/");
        ifaddr.addAlias({ interface: interfaceName, address, prefixLength: Number(prefixLength) });
      }
    },
    removeForeign: (interfaceName) => ifclone.destroyInterface(interfaceName),
    folder: () => mkdtempSync(join(directory, "folder-")),
    rootFilesystem() {
      const root = mkdtempSync(join(directory, "rootfs-"));
      buildRoot(root, ["sh"]);
      return root;
    },
  };
}

/** The contract of hosts, kept by the FreeBSD one on a simulated kernel of this release. */
export function freebsdContract(release: SimulatedRelease): void {
  describe(`the FreeBSD host keeps the contract, on the simulator of ${release}`, needs("root", "busybox"), () => {
    const world = makeWorld({ ...ordinaryMachine, release });
    describe("interfaces", () => interfacesContract(world));
    describe("jails", () => jailsContract(world));
    describe("processes", () => processesContract(world));
  });
}
