/**
 * The bindings through real C calls: a small stand-in for FreeBSD's libc is compiled and named by KLEE_LIBC. This shows
 * that prototypes, pointers, answers and errno pass koffi as they should; that FreeBSD itself agrees with the bytes is
 * shown by headers.test.ts and replies.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ifaddr, ifaddrs, ifclone, ifgroup, interfaces, jail } from "../../../src/ffi/freebsd/index.ts";
import { room } from "../../../src/ffi/freebsd/iovec.ts";
import { useStandIn } from "./stand-in.ts";

const standIn = useStandIn("stand-in.c");
const openSockets = standIn.func("int stand_in_open_sockets()") as () => number;
const queries = standIn.func("int stand_in_queries()") as () => number;
const openLists = standIn.func("int stand_in_open_lists()") as () => number;

test("a jail is created, read, changed, listed and removed", () => {
  assert.deepEqual(jail.jailIds(), []);
  const jid = jail.jailSet({ path: "/", name: "web", persist: true, "ip4.addr": ["10.2.3.1"] }, "create");
  assert.equal(jail.jailId("web"), jid);
  const query = { name: "string", path: "string", "ip4.addr": "ip4", persist: "bool" } as const;
  assert.deepEqual(jail.jailGet({ jid }, query), {
    jid,
    values: { name: "web", path: "/", "ip4.addr": ["10.2.3.1"], persist: true },
  });
  jail.jailSetAddresses(jid, { ip4: ["10.2.3.1", "10.2.3.9"] });
  assert.deepEqual(jail.jailGet({ name: "web" }, { "ip4.addr": "ip4" }).values["ip4.addr"], ["10.2.3.1", "10.2.3.9"]);
  jail.jailSetAddresses(jid, { ip4: [] });
  assert.deepEqual(jail.jailGet({ jid }, { "ip4.addr": "ip4" }).values["ip4.addr"], []);
  const other = jail.jailSet({ path: "/x", persist: true }, "create");
  assert.deepEqual(
    jail.jailList({ path: "string" }).map(({ jid, values }) => [jid, values.path]),
    [
      [jid, "/"],
      [other, "/x"],
    ],
  );
  assert.throws(() => jail.jailGet({ name: "web" }, { name: "string" }), {
    message: "name is given as the key and cannot be asked for",
  });
  jail.jailAttach(other);
  jail.jailRemove(jid);
  jail.jailRemove(other);
  assert.equal(jail.jailId("web"), undefined);
});

test("strings are read by one call, those that are longer than names and paths by three", () => {
  const jid = jail.jailSet({ path: "/", name: "long", persist: true }, "create");
  const before = queries();
  assert.deepEqual(jail.jailGet({ jid }, { name: "string", path: "string" }).values, { name: "long", path: "/" });
  assert.equal(queries() - before, 1);
  assert.equal(jail.jailGet({ jid }, { meta: "string", persist: "bool" }).values.meta, "m".repeat(300));
  assert.equal(queries() - before, 4);
  jail.jailRemove(jid);
});

test("a refusal carries errno name, object and the kernel's words", () => {
  const jid = jail.jailSet({ name: "twice", persist: true }, "create");
  assert.throws(() => jail.jailSet({ name: "twice", persist: true }, "create"), {
    name: "SyscallError",
    code: "EEXIST",
    errno: 17,
    kernelText: "jail already exists: twice",
    message: "jail_set twice: EEXIST (File exists): jail already exists: twice",
  });
  assert.throws(() => jail.jailSetPairs("twice", [room("no.such", 0)], 1), {
    message: "jail_set twice: EINVAL (Invalid argument): unknown parameter: no.such",
  });
  assert.throws(() => jail.jailGet({ jid }, { "no.such": "int" }), {
    message: "no.such: the kernel has no such jail parameter",
  });
  assert.deepEqual(jail.jailParameter("meta"), {
    name: "meta",
    type: "string",
    size: 4096,
    settable: "always",
    keyed: true,
  });
  assert.throws(() => jail.jailSet({ jid, "meta.owner": 5 }, "update"), {
    message: "meta.owner: a jail parameter that takes a string",
  });
  jail.jailRemove(jid);
  assert.throws(() => jail.jailRemove(jid), { message: `jail_remove ${jid}: EINVAL (Invalid argument)` });
});

test("an interface is created, renamed, addressed, listed and destroyed", () => {
  const created = ifclone.createInterface("lo");
  assert.match(created, /^lo\d+$/);
  ifclone.renameInterface(created, "kleene0");
  ifaddr.addAlias({ interface: "kleene0", address: "10.2.3.1" });
  ifaddr.addAlias({ interface: "kleene0", address: "fd00:2:3::1" });
  interfaces.setInterfaceUp("kleene0");
  assert.equal(interfaces.interfaceFlags("kleene0"), 0x8009);
  assert.deepEqual(ifaddrs.listInterfaces(), [
    {
      name: "kleene0",
      index: 1,
      flags: 0x8009,
      up: true,
      loopback: true,
      pointToPoint: false,
      linkAddress: "02:00:5e:00:53:01",
      addresses: [
        // The stand-in answers with a cut-off mask of 24 bits, whatever was asked.
        { family: "inet", address: "10.2.3.1", prefixLength: 24, destination: undefined, scopeId: 0 },
        { family: "inet6", address: "fd00:2:3::1", prefixLength: 128, destination: undefined, scopeId: 0 },
      ],
    },
  ]);
  assert.throws(() => ifaddr.removeAlias("kleene0", "10.2.3.2"), {
    message: "SIOCDIFADDR kleene0 10.2.3.2: EADDRNOTAVAIL (Can't assign requested address)",
  });
  ifaddr.removeAlias("kleene0", "10.2.3.1");
  ifaddr.removeAlias("kleene0", "fd00:2:3::1");
  interfaces.setInterfaceUp("kleene0", false);
  assert.equal(interfaces.interfaceFlags("kleene0"), 0x8008);
  ifclone.destroyInterface("kleene0");
  assert.throws(() => ifclone.destroyInterface("kleene0"), {
    message: "SIOCIFDESTROY kleene0: ENXIO (Device not configured)",
  });
  assert.deepEqual(ifaddrs.listInterfaces(), []);
});

test("descriptions, groups and bridge members", () => {
  ifclone.createInterface("bridge7");
  ifclone.createInterface("epair7a");
  assert.equal(interfaces.interfaceDescription("bridge7"), "");
  interfaces.setInterfaceDescription("bridge7", "klee: testnet");
  assert.equal(interfaces.interfaceDescription("bridge7"), "klee: testnet");
  interfaces.setInterfaceDescription("bridge7", "");
  assert.equal(interfaces.interfaceDescription("bridge7"), "");
  assert.throws(() => interfaces.setInterfaceDescription("bridge7", "x".repeat(64)), { code: "ENAMETOOLONG" });

  assert.deepEqual(ifgroup.interfaceGroups("bridge7"), []);
  ifgroup.addInterfaceGroup("bridge7", "klee");
  assert.deepEqual(ifgroup.interfaceGroups("bridge7"), ["klee"]);
  assert.deepEqual(ifgroup.groupMembers("klee"), ["bridge7"]);
  ifgroup.removeInterfaceGroup("bridge7", "klee");
  assert.throws(() => ifgroup.groupMembers("klee"), { code: "ENOENT" });

  interfaces.addBridgeMember("bridge7", "epair7a");
  interfaces.removeBridgeMember("bridge7", "epair7a");
  assert.throws(() => interfaces.removeBridgeMember("bridge7", "epair7a"), { code: "ENOENT" });
  ifclone.destroyInterface("epair7a");
  ifclone.destroyInterface("bridge7");
});

test("nothing is left open, after failures as well", () => {
  assert.throws(() => ifclone.createInterface("nosuch"), { code: "EINVAL" });
  assert.equal(openSockets(), 0);
  assert.equal(openLists(), 0);
});
