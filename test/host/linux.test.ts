import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe } from "node:test";
import { LinuxHost } from "../../src/kleene/host/linux/host.ts";
import { needs } from "../support/gate.ts";
import { enterMountNamespace, enterNetworkNamespace } from "../support/namespaces.ts";
import { buildRoot } from "../support/rootfs.ts";
import { interfacesContract } from "./contract/interfaces.ts";
import { jailsContract } from "./contract/jails.ts";
import { processesContract } from "./contract/processes.ts";
import type { World } from "./contract/world.ts";

interface IpAddress {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });

function makeWorld(): World {
  enterNetworkNamespace();
  enterMountNamespace();
  ip("link", "set", "lo", "up");
  const directory = mkdtempSync(join(tmpdir(), "klee-test-host-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return {
    host: new LinuxHost(directory),
    root: directory,
    loopback: "lo",
    addressesSeen(interfaceName) {
      const links = JSON.parse(ip("-j", "address", "show")) as IpAddress[];
      const info = links.find((link) => link.ifname === interfaceName)?.addr_info ?? [];
      return info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    },
    makeForeign(interfaceName, addresses) {
      ip("link", "add", interfaceName, "type", "bridge");
      for (const address of addresses) ip("address", "add", address, "dev", interfaceName);
    },
    removeForeign: (interfaceName) => void ip("link", "del", interfaceName),
    folder: () => mkdtempSync(join(directory, "folder-")),
    rootFilesystem() {
      const root = mkdtempSync(join(directory, "rootfs-"));
      buildRoot(root, ["sh"]);
      return root;
    },
  };
}

describe("the Linux host keeps the contract", needs("root", "ip", "cgroup2", "overlay", "busybox"), () => {
  const world = makeWorld();
  describe("interfaces", () => interfacesContract(world));
  describe("jails", () => jailsContract(world));
  describe("processes", () => processesContract(world));
});
