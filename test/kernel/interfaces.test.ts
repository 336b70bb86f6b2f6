import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { afterEach, before, describe, test } from "node:test";
import { openDescriptors } from "../../src/ffi/linux/fd.ts";
import { LinuxInterfaces } from "../../src/kleene/host/linux/interfaces.ts";
import { needs } from "../support/gate.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";

const id = "6b933304be4a";
const otherId = "d763328950a2";

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

interface IpAddress {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

function addressesSeen(name: string): string[] {
  const links = JSON.parse(ip("-j", "address", "show")) as IpAddress[];
  const info = links.find((link) => link.ifname === name)?.addr_info ?? [];
  return info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

describe("interfaces of the Linux host", needs("root", "ip"), () => {
  const interfaces = new LinuxInterfaces();
  before(() => {
    enterNetworkNamespace();
    ip("link", "set", "lo", "up");
  });
  afterEach(() => {
    interfaces.remove("kleene0", id);
    assert.deepEqual(openDescriptors(), []);
    assert.deepEqual(
      interfaces.list().map(({ name }) => name),
      ["lo"],
    );
  });

  test("an interface is made, listed with its network and addresses, and removed", () => {
    interfaces.create("kleene0", id);
    assert.deepEqual(interfaces.list().at(-1), { name: "kleene0", addresses: [], networkId: id });
    interfaces.addAliases("kleene0", ["10.2.3.1/32", "fd00:2:3::1/128"]);
    assert.deepEqual(interfaces.list(), [
      { name: "lo", addresses: ["127.0.0.1/8", "::1/128"], networkId: undefined },
      { name: "kleene0", addresses: ["10.2.3.1/32", "fd00:2:3::1/128"], networkId: id },
    ]);
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.1/32", "fd00:2:3::1/128"]);
    interfaces.remove("kleene0", id);
    interfaces.remove("kleene0", id);
  });

  test("a taken name is a conflict, whoever has it", () => {
    interfaces.create("kleene0", id);
    const conflict = { code: "CONFLICT", message: "interface kleene0 exists already" };
    assert.throws(() => interfaces.create("kleene0", id), conflict);
    assert.throws(() => interfaces.create("kleene0", otherId), conflict);
    assert.throws(() => interfaces.create("lo", id), { code: "CONFLICT" });
    assert.equal(interfaces.list().at(-1)?.networkId, id);
  });

  test("only an interface with the network's own mark is removed or changed", () => {
    interfaces.create("kleene0", id);
    interfaces.remove("kleene0", otherId);
    assert.equal(interfaces.list().length, 2);
    interfaces.remove("kleene0", id);
    ip("link", "add", "kleene0", "type", "bridge");
    ip("address", "add", "10.2.3.1/32", "dev", "kleene0");
    interfaces.remove("kleene0", id);
    assert.throws(() => interfaces.addAliases("kleene0", ["10.2.3.2/32"]), { code: "CONFLICT" });
    interfaces.removeAliases("kleene0", ["10.2.3.1/32"]);
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.1/32"]);
    ip("link", "del", "kleene0");
  });

  test("adding what is there and removing what is gone is no error", () => {
    interfaces.create("kleene0", id);
    for (let round = 0; round < 2; round++) interfaces.addAliases("kleene0", ["10.2.3.1/32", "10.2.3.2/32"]);
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.1/32", "10.2.3.2/32"]);
    for (let round = 0; round < 2; round++) interfaces.removeAliases("kleene0", ["10.2.3.1/32"]);
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.2/32"]);
    interfaces.remove("kleene0", id);
    interfaces.removeAliases("kleene0", ["10.2.3.2/32"]);
    interfaces.addAliases("gone", []);
  });

  test("an address of another interface is a conflict that names it, and nothing is added", () => {
    interfaces.create("kleene0", id);
    interfaces.create("kleene1", otherId);
    interfaces.addAliases("kleene1", ["10.2.3.1/32", "fd00::1/128"]);
    for (const address of ["10.2.3.1", "fd00::1"])
      assert.throws(() => interfaces.addAliases("kleene0", ["10.2.3.9/32", address]), {
        code: "CONFLICT",
        message: `cannot add ${address} to kleene0: it is an address of kleene1`,
      });
    assert.throws(() => interfaces.addAliases("kleene0", ["127.0.0.1/32"]), /it is an address of lo$/);
    assert.deepEqual(addressesSeen("kleene0"), []);
    interfaces.remove("kleene1", otherId);
  });

  test("a failure names address, interface and the kernel's answer, and undoes the rest of the batch", () => {
    interfaces.create("kleene0", id);
    execFileSync("sysctl", ["-qw", "net.ipv6.conf.kleene0.disable_ipv6=1"]);
    assert.throws(() => interfaces.addAliases("kleene0", ["10.2.3.1/32", "fd00::1/128"]), {
      code: "HOST",
      message:
        /^cannot add fd00::1 to kleene0: RTM_NEWADDR kleene0 fd00::1\/128: EACCES \(Permission denied\).*; IPv6 is off/,
    });
    assert.deepEqual(addressesSeen("kleene0"), []);
    assert.throws(() => interfaces.addAliases("gone", ["10.2.3.1/32"]), {
      code: "NOT_FOUND",
      message: "interface gone does not exist",
    });
    assert.throws(() => interfaces.create("a/b", id), {
      code: "HOST",
      message: /^cannot make interface a\/b: RTM_NEWLINK a\/b: EINVAL/,
    });
  });

  test("the default interface is IPv4's, or IPv6's where there is no IPv4 route", () => {
    assert.equal(interfaces.defaultInterface(), undefined);
    for (const name of ["four", "six"]) {
      ip("link", "add", name, "type", "bridge");
      ip("link", "set", name, "up");
    }
    ip("-6", "address", "add", "2001:db8::1/64", "dev", "six", "nodad");
    ip("-6", "route", "add", "default", "via", "2001:db8::9");
    assert.equal(interfaces.defaultInterface(), "six");
    ip("address", "add", "192.0.2.1/24", "dev", "four");
    ip("route", "add", "default", "via", "192.0.2.9");
    assert.equal(interfaces.defaultInterface(), "four");
    for (const name of ["four", "six"]) ip("link", "del", name);
  });
});
