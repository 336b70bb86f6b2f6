/** As calls.test.ts, for sysctl, mounts, limits, modules, routes, device rulesets and datasets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rt_msghdr } from "../../../src/ffi/freebsd/abi/route.ts";
import { devfs, kld, mount, rctl, route, sysctl, zfs } from "../../../src/ffi/freebsd/index.ts";
import { readMemory } from "../../../src/ffi/freebsd/libc.ts";
import { useStandIn } from "./stand-in.ts";

const standIn = useStandIn("stand-in-system.c");

test("sysctl: integers, text, and what is below a node", () => {
  assert.equal(sysctl.sysctlInt("net.inet.ip.forwarding"), 0);
  sysctl.setSysctlInt("net.inet.ip.forwarding", 1);
  assert.equal(sysctl.sysctlInt("net.inet.ip.forwarding"), 1);
  assert.equal(sysctl.sysctlInt("hw.physmem"), 1 << 20);
  assert.equal(sysctl.sysctlString("kern.ostype"), "FreeBSD");
  assert.throws(() => sysctl.sysctlInt("kern.ostype.none"), {
    message: "sysctl kern.ostype.none: ENOENT (No such file or directory)",
  });
  assert.deepEqual(sysctl.sysctlVariables("security.jail.param"), [
    { name: "security.jail.param.path", type: 3, flags: 0xc0000000, format: "A" },
    { name: "security.jail.param.vnet", type: 2, flags: 0x80080000, format: "E,jailsys" },
  ]);
});

/** A routing message with sockaddrs, each padded to a multiple of 8 bytes. */
function routeMessage(flags: number, index: number, addrs: number, sockaddrs: readonly string[]): Buffer {
  const tail = sockaddrs.map((hex) => {
    const bytes = Buffer.from(hex, "hex");
    return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
  });
  const length = rt_msghdr.size + Buffer.concat(tail).length;
  const head = rt_msghdr.encode({
    rtm_msglen: length,
    rtm_version: 5,
    rtm_type: 4,
    rtm_index: index,
    rtm_flags: flags,
    rtm_addrs: addrs,
  });
  return Buffer.concat([head, ...tail]);
}

test("the default route's interface", () => {
  const subnet = routeMessage(0x1, 7, 7, [
    `100200000a020300${"00".repeat(8)}`,
    `3612070000000000${"00".repeat(46)}`,
    "07020000ffffff",
  ]);
  const rejected = routeMessage(0x9, 9, 7, [`10020000${"00".repeat(12)}`, `10020000c0000201${"00".repeat(8)}`, "00"]);
  const gateway = routeMessage(0x3, 2, 7, [`10020000${"00".repeat(12)}`, `10020000c0000201${"00".repeat(8)}`, "00"]);
  const set = standIn.func("void stand_in_set_routes(void *bytes, uint64_t len)") as (bytes: Buffer, n: number) => void;
  const all = Buffer.concat([subnet, rejected, gateway]);
  set(all, all.length);
  assert.deepEqual(
    route
      .routes("inet")
      .map(({ destination, prefixLength, gateway, interfaceIndex }) => [
        `${destination}/${prefixLength}`,
        gateway,
        interfaceIndex,
      ]),
    [
      ["10.2.3.0/24", undefined, 7],
      ["0.0.0.0/0", "192.0.2.1", 9],
      ["0.0.0.0/0", "192.0.2.1", 2],
    ],
  );
  assert.equal(route.defaultInterface("inet"), "em0");
  assert.equal(route.defaultInterface("inet6"), undefined);
});

test("mounts are made, listed and taken away", () => {
  mount.mountNullfs("/data", "/mnt", true);
  mount.mountDevfs("/jail/dev", 4);
  mount.mountTmpfs("/busy", 4096);
  mount.mountZfs("zroot/klee", "/klee");
  assert.deepEqual(
    mount.mounts().map(({ type, source, path, flags }) => [type, source, path, flags]),
    [
      ["nullfs", "/data", "/mnt", 1n],
      ["devfs", ".", "/jail/dev", 0n],
      ["tmpfs", "tmpfs", "/busy", 0n],
      ["zfs", "zroot/klee", "/klee", 0n],
    ],
  );
  const { size, available } = mount.mountOf("/klee");
  assert.deepEqual([size, available], [51200n, 20480n]);
  assert.throws(() => mount.unmount("/busy"), { message: "unmount /busy: EBUSY (Device busy)" });
  mount.unmount("/busy", { force: true });
  assert.throws(() => mount.unmount("/busy"), { code: "EINVAL" });
  assert.throws(() => mount.mount({ type: "nosuchfs", path: "/mnt" }), {
    message: "nmount nosuchfs /mnt: ENODEV (Operation not supported by device): no such file system",
  });
});

test("limits, with an answer larger than the first room", () => {
  rctl.addLimit("jail:web:maxproc:deny=9");
  assert.deepEqual(rctl.limits("jail:web"), ["jail:web:maxproc:deny=9"]);
  assert.equal(rctl.usage("jail:web").get("memoryuse"), 104857600n);
  assert.throws(() => rctl.addLimit("jail:web:memoryuse:deny=100m"), { code: "EINVAL" });
  rctl.removeLimits("jail:web");
  assert.throws(() => rctl.removeLimits("jail:web"), { code: "ESRCH" });
});

test("modules", () => {
  assert.equal(kld.hasModule("pf"), false);
  kld.loadModule("pf");
  kld.loadModule("pf");
  assert.equal(kld.hasModule("pf"), true);
  assert.equal(kld.hasModule("if_bridge"), true, "part of the kernel");
  assert.throws(() => kld.loadModule("nosuch"), { message: "kldload nosuch: ENOENT (No such file or directory)" });
});

test("device rulesets", () => {
  assert.deepEqual(devfs.devfsRulesets(), [1, 4]);
  assert.deepEqual([0, 1, 3, 4, 5].map(devfs.hasDevfsRuleset), [false, true, false, true, false]);
  devfs.addDevfsRules(77, [{ action: "hide" }, { path: "pts/*", action: "unhide" }]);
  const added = readMemory((standIn.func("uintptr_t stand_in_added()") as () => bigint)(), 236);
  assert.equal(added.toString("hex", 0, 16), "7a080adb" + "00004d00" + "02000000" + "00000000");
  assert.equal(added.toString("latin1", 16, 22), "pts/*\0");
  assert.equal(added.toString("hex", 216, 224), "0100000002000000");
  devfs.applyDevfsRuleset("/dev/jail", 77);
  assert.throws(() => devfs.applyDevfsRuleset("/nowhere", 77), { code: "ENOENT" });
  assert.throws(() => devfs.addDevfsRules(65536, [{ action: "hide" }]), { name: "FieldError" });
  assert.equal((standIn.func("int stand_in_opened()") as () => number)(), 0);
});

test("datasets: created, cloned, rolled back and destroyed; nothing is left allocated", () => {
  const property = standIn.func("const char *stand_in_property()") as () => string;
  zfs.createDataset("zroot/klee", { mountpoint: "none" });
  assert.equal(property(), "mountpoint=none/0");
  zfs.createDataset("zroot/other", { canmount: 2n });
  assert.equal(property(), "canmount=/2");
  assert.throws(() => zfs.createDataset("zroot/klee"), { message: "lzc_create zroot/klee: EEXIST (File exists)" });
  zfs.createSnapshots(["zroot/klee@a"]);
  assert.throws(() => zfs.createSnapshots(["zroot/klee@b", "zroot/klee@a"]), {
    message: "lzc_snapshot zroot/klee@b zroot/klee@a: EEXIST (File exists): zroot/klee@a",
  });
  zfs.cloneDataset("zroot/klee@a", "zroot/clone");
  assert.equal(zfs.datasetExists("zroot/clone"), true);
  zfs.rollbackDataset("zroot/klee", "zroot/klee@a");
  zfs.destroyDataset("zroot/clone");
  zfs.destroySnapshots(["zroot/klee@a", "zroot/klee@b"]);
  assert.equal(zfs.datasetExists("zroot/klee@a"), false);
  assert.throws(() => zfs.destroyDataset("zroot/clone"), { code: "ENOENT" });
  assert.throws(() => zfs.datasetExists("x".repeat(256)), { name: "FieldError" });
  assert.equal((standIn.func("int stand_in_lists()") as () => number)(), 0);
  assert.equal((standIn.func("int stand_in_users()") as () => number)(), 0);
});
