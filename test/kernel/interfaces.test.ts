import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { afterEach, describe, test } from "node:test";
import { openDescriptors } from "../../src/ffi/linux/fd.ts";
import { LinuxInterfaces } from "../../src/kleene/host/linux/interfaces.ts";
import { before, needs } from "../support/gate.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";

const id = "6b933304be4a";

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

/** What every host does is in test/host/contract. */
describe("interfaces of the Linux host", needs("root", "ip"), () => {
  const interfaces = new LinuxInterfaces();
  before(() => {
    enterNetworkNamespace();
    assert.equal(interfaces.defaultInterface(), undefined, "no interface ever was up: no routing table either");
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
      message: "interface gone does not exist; see klee system reconcile",
    });
    assert.throws(() => interfaces.create("a/b", id), {
      code: "HOST",
      message: /^cannot make interface a\/b: RTM_NEWLINK a\/b: EINVAL/,
    });
  });

  test("an interface that lacks its mark, because klee was killed before it set it, is removed by its group", () => {
    interfaces.create("kleene0", id);
    ip("link", "set", "kleene0", "alias", "");
    interfaces.remove("kleene0", "111122223333");
    assert.equal(interfaces.list().length, 2);
    interfaces.remove("kleene0", id);
    assert.equal(interfaces.list().length, 1);
  });

  test("on the user's interface klee removes what it added, and takes nothing for its own that was there", () => {
    ip("link", "add", "user0", "type", "bridge");
    ip("address", "add", "192.0.2.1/32", "dev", "user0");
    const conflict = (work: () => void, message: RegExp): void => assert.throws(work, { code: "CONFLICT", message });
    conflict(() => interfaces.addAliases("user0", ["192.0.2.9/32"]), /was not made by klee/);
    for (let round = 0; round < 2; round++) interfaces.addAliases("user0", ["192.0.2.5/32"], "user");
    conflict(
      () => interfaces.addAliases("user0", ["192.0.2.6/32", "192.0.2.1/32"], "user"),
      /the host has it there already/,
    );
    assert.deepEqual(addressesSeen("user0"), ["192.0.2.1/32", "192.0.2.5/32"]);
    interfaces.removeAliases("user0", ["192.0.2.1/32", "192.0.2.5/32"], "user");
    assert.deepEqual(addressesSeen("user0"), ["192.0.2.1/32"]);
    interfaces.create("kleene0", id);
    conflict(() => interfaces.addAliases("kleene0", ["192.0.2.5/32"], "user"), /is one that klee made/);
    ip("link", "del", "user0");
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
