import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, describe, test } from "node:test";
import { SyscallError } from "../../../src/ffi/errno.ts";
import { parsePrefix } from "../../../src/ffi/inet.ts";
import { IFA_F_NODAD, IFA_F_NOPREFIXROUTE } from "../../../src/ffi/linux/abi/rtnetlink.ts";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { BatchError, type NetlinkSocket, openRtnetlink } from "../../../src/ffi/linux/netlink/socket.ts";
import { openTransport } from "../../../src/ffi/linux/netlink/transport.ts";
import { addAddresses, listAddresses, removeAddresses } from "../../../src/ffi/linux/rtnl/address.ts";
import { createLink, deleteLink, findLink, listLinks } from "../../../src/ffi/linux/rtnl/link.ts";
import { listNeighbours } from "../../../src/ffi/linux/rtnl/neighbour.ts";
import { findAddressHolders, findDefaultRoute, listNextHops } from "../../../src/ffi/linux/rtnl/route.ts";
import { createMarked } from "../../../src/kleene/host/linux/interfaces.ts";
import { before, needs } from "../../support/gate.ts";
import { waitUntil } from "../../support/machine.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";

interface IpLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly flags: readonly string[];
  readonly ifalias?: string;
  readonly inet6_addr_gen_mode?: string;
  readonly linkinfo?: { readonly info_kind: string };
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly tentative?: boolean }[];
}

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

/** What ip(8) sees of an interface. */
function seen(name: string): IpLink | undefined {
  const addresses = JSON.parse(ip("-j", "address", "show")) as IpLink[];
  const links = JSON.parse(ip("-j", "-d", "link", "show")) as IpLink[];
  const [link, address] = [links, addresses].map((list) => list.find(({ ifname }) => ifname === name));
  return link && { ...link, addr_info: address?.addr_info ?? [] };
}

function addressesSeen(name: string): string[] {
  return (seen(name)?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** Each one's error of a batch; none when all went well. */
function refused(batch: () => void): readonly (SyscallError | undefined)[] {
  try {
    batch();
    return [];
  } catch (error) {
    assert.ok(error instanceof BatchError, String(error));
    return error.errors;
  }
}

const codes = (batch: () => void) => refused(batch).map((error) => error?.code);

describe("rtnetlink in a network namespace", needs("root", "ip"), () => {
  let socket: NetlinkSocket;
  before(() => {
    enterNetworkNamespace();
    ip("link", "set", "lo", "up");
    socket = openRtnetlink();
  });
  after(() => {
    socket[Symbol.dispose]();
    assert.deepEqual(openDescriptors(), []);
  });

  test("a link is made up, marked, without a link-local address; ip agrees", () => {
    const link = createLink(socket, {
      name: "test0",
      kind: "bridge",
      alias: "mark 1",
      group: 7,
      addrGenMode: "none",
      up: true,
    });
    const found = seen("test0");
    assert.equal(found?.ifindex, link.index);
    assert.equal(found?.ifalias, "mark 1");
    assert.equal(found?.linkinfo?.info_kind, link.kind);
    assert.equal(found?.inet6_addr_gen_mode, "none");
    assert.ok(found?.flags.includes("UP"));
    assert.deepEqual(found?.addr_info, []);
    const { index, kind, alias, group, up } = findLink(socket, "test0") ?? {};
    assert.deepEqual(
      { index, kind, alias, group, up },
      { index: link.index, kind: link.kind, alias: "mark 1", group: 7, up: true },
    );
    assert.deepEqual(
      listLinks(socket).map(({ name }) => name),
      ["lo", "test0"],
    );
    deleteLink(socket, link.index, "test0");
    assert.equal(seen("test0"), undefined);
    deleteLink(socket, link.index, "test0");
    assert.equal(findLink(socket, "test0"), undefined);
  });

  test("no more is asked of a link than the caller does", () => {
    const { index } = createLink(socket, { name: "test0", kind: "bridge" });
    const found = seen("test0");
    assert.equal(found?.ifindex, index);
    assert.equal(found?.ifalias, undefined);
    assert.ok(!found?.flags.includes("UP"));
    assert.notEqual(found?.inet6_addr_gen_mode, "none");
    assert.equal(findLink(socket, index)?.group, 0);
    deleteLink(socket, index, "test0");
  });

  test("a kind that the kernel lacks is an error in its words; klee then takes another one", () => {
    assert.throws(
      () => createLink(socket, { name: "test0", kind: "no-such-kind" }),
      (error) => error instanceof SyscallError && error.code === "EOPNOTSUPP" && error.kernelText !== undefined,
    );
    createMarked(socket, "test0", "0123456789ab", ["no-such-kind", "bridge"]);
    const { index = 0, kind, alias, up } = findLink(socket, "test0") ?? {};
    assert.deepEqual({ kind, alias, up }, { kind: "bridge", alias: "klee 0123456789ab", up: true });
    assert.equal(seen("test0")?.inet6_addr_gen_mode, "none");
    deleteLink(socket, index, "test0");
    assert.throws(() => createMarked(socket, "test0", "0123456789ab", ["no-such-kind"]), { code: "EOPNOTSUPP" });
  });

  test("an existing link is left as it was, a refused alias leaves nothing behind", () => {
    ip("link", "add", "taken", "type", "bridge");
    ip("link", "set", "taken", "alias", "someone's");
    const before = seen("taken");
    assert.throws(
      () => createLink(socket, { name: "taken", kind: "bridge", alias: "mine" }),
      /^SyscallError: RTM_NEWLINK taken: EEXIST \(File exists\)/,
    );
    assert.deepEqual(seen("taken"), before);
    assert.throws(() => createLink(socket, { name: "test0", kind: "bridge", alias: "x".repeat(300) }), /ifalias/);
    assert.equal(seen("test0"), undefined);
    ip("link", "del", "taken");
  });

  test("addresses are added and removed one by one and in a batch; ip agrees", () => {
    const link = createLink(socket, { name: "test0", kind: "bridge", addrGenMode: "none", up: true });
    const prefixes = ["10.2.3.1/32", "fd00:2:3::1/128", "10.2.3.7/32"].map(parsePrefix);
    addAddresses(
      socket,
      link,
      prefixes.map((prefix) => ({ ...prefix, flags: prefix.family === "inet6" ? IFA_F_NODAD : 0 })),
    );
    assert.deepEqual(addressesSeen("test0"), ["10.2.3.1/32", "10.2.3.7/32", "fd00:2:3::1/128"]);
    assert.ok(!seen("test0")?.addr_info.some(({ tentative }) => tentative));
    assert.deepEqual(
      listAddresses(socket)
        .filter(({ linkIndex }) => linkIndex === link.index)
        .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
      addressesSeen("test0"),
    );
    removeAddresses(socket, link, prefixes.slice(0, 1));
    assert.deepEqual(addressesSeen("test0"), ["10.2.3.7/32", "fd00:2:3::1/128"]);
    assert.deepEqual(
      codes(() => removeAddresses(socket, link, prefixes)),
      ["EADDRNOTAVAIL", undefined, undefined],
    );
    assert.deepEqual(addressesSeen("test0"), []);
    deleteLink(socket, link.index, "test0");
  });

  test("each error of a batch is reported for its own object, the others succeed", () => {
    const link = createLink(socket, { name: "test0", kind: "bridge", addrGenMode: "none", up: true });
    const prefixes = ["10.2.3.1", "10.2.3.2", "10.2.3.1", "10.2.3.3", "fd00::1", "fd00::1"].map(parsePrefix);
    const errors = refused(() => addAddresses(socket, link, prefixes));
    assert.deepEqual(
      errors.map((error) => error?.code),
      [undefined, undefined, "EEXIST", undefined, undefined, "EEXIST"],
    );
    assert.match(String(errors[2]), /RTM_NEWADDR test0 10\.2\.3\.1\/32: EEXIST \(File exists\): .*already assigned/);
    assert.equal(errors[5]?.object, "test0 fd00::1/128");
    deleteLink(socket, link.index, "test0");
    assert.deepEqual(
      codes(() => addAddresses(socket, link, prefixes.slice(0, 2))),
      ["ENODEV", "ENODEV"],
    );
  });

  test("flags of an address are the caller's, those beyond the header's too", () => {
    const link = createLink(socket, { name: "test0", kind: "bridge", addrGenMode: "none", up: true });
    addAddresses(socket, link, [
      { ...parsePrefix("10.2.3.1/24"), flags: IFA_F_NOPREFIXROUTE },
      { ...parsePrefix("fd00::1/64"), flags: IFA_F_NODAD | IFA_F_NOPREFIXROUTE, protocol: 200 },
      parsePrefix("10.2.4.1/24"),
    ]);
    assert.deepEqual(
      (JSON.parse(ip("-j", "route", "show", "dev", "test0")) as { dst: string }[]).map(({ dst }) => dst),
      ["10.2.4.0/24"],
    );
    const listed = listAddresses(socket, link).find(({ address }) => address === "fd00::1");
    assert.equal(listed?.protocol, 200);
    assert.match(ip("-6", "address", "show", "dev", "test0"), /fd00::1\/64 .*nodad noprefixroute/);
    deleteLink(socket, link.index, "test0");
  });

  test("thousands of addresses go through one call, even when every one is refused", () => {
    const link = createLink(socket, { name: "test0", kind: "bridge", addrGenMode: "none", up: true });
    const many = Array.from({ length: 3000 }, (_, i) => parsePrefix(`10.9.${i >> 8}.${i & 255}`));
    addAddresses(socket, link, many);
    assert.equal(addressesSeen("test0").length, 3000);
    assert.equal(listAddresses(socket).filter(({ linkIndex }) => linkIndex === link.index).length, 3000);
    const errors = refused(() => addAddresses(socket, link, many));
    assert.equal(errors.length, many.length);
    assert.ok(errors.every((error) => error?.code === "EEXIST"));
    removeAddresses(socket, link, many);
    assert.deepEqual(addressesSeen("test0"), []);
    deleteLink(socket, link.index, "test0");
  });

  test("the interface that holds an address is found, on whichever it is", () => {
    const link = createLink(socket, { name: "test0", kind: "bridge", addrGenMode: "none", up: true });
    addAddresses(socket, link, ["10.2.3.1", "fd00::1"].map(parsePrefix));
    const wanted = ["10.2.3.1", "127.0.0.1", "10.2.3.2", "fd00::1", "::1", "fd00::2", "127.0.0.9"].map(parsePrefix);
    // 127.0.0.0/8 leads to lo as a whole: 127.0.0.9 is no address of its own.
    const holders = [link.index, 1, undefined, link.index, 1, undefined, undefined];
    // The kernel enters the route to a new IPv6 address a moment later, in a worker of its own.
    waitUntil(() => findAddressHolders(socket, wanted)[3] !== undefined, "the route to fd00::1");
    assert.deepEqual(findAddressHolders(socket, wanted), holders);
    deleteLink(socket, link.index, "test0");
  });

  test("the default route is the one with the lowest metric that leads somewhere", () => {
    assert.equal(findDefaultRoute(socket, "inet"), undefined);
    assert.equal(findDefaultRoute(socket, "inet6"), undefined);
    for (const name of ["up0", "up1"]) {
      ip("link", "add", name, "type", "bridge");
      ip("link", "set", name, "up");
    }
    ip("address", "add", "192.0.2.1/24", "dev", "up0");
    ip("address", "add", "198.51.100.1/24", "dev", "up1");
    ip("-6", "address", "add", "2001:db8::1/64", "dev", "up1", "nodad");
    ip("route", "add", "blackhole", "default", "metric", "1");
    ip("route", "add", "10.0.0.0/8", "via", "192.0.2.9");
    ip("route", "add", "default", "via", "192.0.2.9", "metric", "20");
    ip("route", "add", "default", "via", "198.51.100.9", "metric", "10");
    ip("route", "add", "default", "via", "192.0.2.9", "metric", "5", "table", "77");
    ip("-6", "route", "add", "default", "via", "2001:db8::9", "metric", "30");
    const index = (name: string) => seen(name)?.ifindex;
    assert.deepEqual(findDefaultRoute(socket, "inet"), { linkIndex: index("up1"), metric: 10 });
    assert.deepEqual(findDefaultRoute(socket, "inet6"), { linkIndex: index("up1"), metric: 30 });
    ip("route", "del", "default", "metric", "10");
    assert.deepEqual(findDefaultRoute(socket, "inet"), { linkIndex: index("up0"), metric: 20 });
    ip("link", "del", "up0");
    ip("link", "del", "up1");
    assert.equal(findDefaultRoute(socket, "inet"), undefined);
  });

  test("routers of all routes and tables, other ends of links, and neighbours are found", () => {
    for (const name of ["up0", "up1"]) {
      ip("link", "add", name, "type", "bridge");
      ip("link", "set", name, "up");
    }
    ip("address", "add", "192.0.2.1/24", "dev", "up0");
    ip("address", "add", "198.51.100.1", "peer", "198.51.100.9/32", "dev", "up1");
    ip("-6", "address", "add", "2001:db8::1/64", "dev", "up0", "nodad");
    ip("route", "add", "10.0.0.0/8", "via", "192.0.2.9");
    ip("route", "add", "default", "via", "192.0.2.8", "table", "77");
    ip("route", "add", "10.1.0.0/16", "nexthop", "via", "192.0.2.7", "nexthop", "via", "198.51.100.9", "dev", "up1");
    ip("route", "add", "10.2.0.0/16", "via", "inet6", "2001:db8::6", "dev", "up0");
    ip("-6", "route", "add", "default", "via", "2001:db8::9");
    const up = [seen("up0")?.ifindex, seen("up1")?.ifindex];
    const hops = (family: "inet" | "inet6") =>
      listNextHops(socket, family).map(({ address, linkIndex }) => `${address} ${up.indexOf(linkIndex)}`);
    assert.deepEqual(hops("inet").sort(), [
      "192.0.2.7 0",
      "192.0.2.8 0",
      "192.0.2.9 0",
      "198.51.100.9 1",
      "2001:db8::6 0",
    ]);
    assert.deepEqual(hops("inet6"), ["2001:db8::9 0"]);
    assert.equal(listAddresses(socket).find(({ address }) => address === "198.51.100.1")?.peer, "198.51.100.9");
    assert.equal(listAddresses(socket).find(({ address }) => address === "192.0.2.1")?.peer, undefined);
    const lladdr = ["lladdr", "02:00:5e:00:53:01", "dev", "up0", "nud"];
    ip("neighbour", "add", "192.0.2.3", ...lladdr, "stale");
    ip("neighbour", "add", "2001:db8::3", ...lladdr, "permanent");
    ip("neighbour", "add", "192.0.2.4", "dev", "up0", "nud", "failed");
    ip("neighbour", "add", "192.0.2.5", ...lladdr, "noarp");
    assert.deepEqual(
      listNeighbours(socket).map(({ address, linkIndex, linkAddress }) => [
        address,
        up.indexOf(linkIndex),
        linkAddress,
      ]),
      [
        ["192.0.2.3", 0, "02:00:5e:00:53:01"],
        ["2001:db8::3", 0, "02:00:5e:00:53:01"],
      ],
    );
    ip("link", "del", "up0");
    ip("link", "del", "up1");
  });

  test("a dump is complete although addresses come and go meanwhile", async () => {
    const link = createLink(socket, { name: "test0", kind: "bridge", addrGenMode: "none", up: true });
    // Enough for several parts. Removing one of the first shifts the others past the kernel's place in the list.
    const many = Array.from({ length: 1500 }, (_, i) => parsePrefix(`10.8.${i >> 8}.${i & 255}`));
    addAddresses(socket, link, many);
    const stable = many.slice(4).map(({ bytes }) => bytes.join("."));
    const churn = "for i in 0 1 2 3; do ip a del 10.8.0.$i/32 dev test0; ip a add 10.8.0.$i/32 dev test0; done";
    const child = spawn("sh", ["-c", `echo; while :; do ${churn}; done`], {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    await once(child.stdout, "data");
    try {
      for (let round = 0; round < 300; round++) {
        const found = new Set(listAddresses(socket).map(({ address }) => address));
        assert.deepEqual(
          stable.filter((address) => !found.has(address)),
          [],
        );
      }
    } finally {
      const exited = once(child, "exit");
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      await exited;
    }
    deleteLink(socket, link.index, "test0");
  });

  test("a protocol that does not exist is an error of socket(2) and leaks nothing", () => {
    const open = openDescriptors();
    assert.throws(() => openTransport(31, "netlink 31"), /^SyscallError: socket netlink 31: EPROTONOSUPPORT/);
    assert.deepEqual(openDescriptors(), open);
  });
});
