/** What the bindings know of jail parameters by asking the kernel, and what they refuse before the call. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type JailParams, jail } from "../../src/ffi/freebsd/index.ts";
import { FieldError } from "../../src/ffi/struct.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false });
after(() => simulator[Symbol.dispose]());
simulator.use();

const base = { path: "/", name: "one", persist: true } as const;

test("each parameter has the kernel's type, size, and time to be set", () => {
  for (const [name, type, size, settable] of [
    ["securelevel", "int", 4, "always"],
    ["children.cur", "int", 4, "never"],
    ["osrelease", "string", 32, "creation"],
    ["host", "sys", 4, "always"],
    ["host.hostuuid", "string", 64, "always"],
    ["host.hostid", "long", 8, "always"],
    ["vnet", "sys", 4, "creation"],
    ["sysvshm", "sys", 4, "always"],
    ["allow.mount", "bool", 4, "always"],
    ["allow.mount.devfs", "bool", 4, "always"],
    ["ip6.saddrsel", "bool", 4, "always"],
  ] as const)
    assert.deepEqual(jail.jailParameter(name), { name, type, size, settable, keyed: false });
  for (const name of ["no.such", "allow", "allow.noraw_sockets", ""]) assert.equal(jail.jailParameter(name), undefined);
});

test("what is known without asking is what the kernel says", async () => {
  // As another process sees it first: from the kernel, since nothing is known of a name yet.
  const { sysctlString, sysctlVariable } = await import("../../src/ffi/freebsd/sysctl.ts");
  const { CTLFLAG_TUN, CTLFLAG_WR } = await import("../../src/ffi/freebsd/abi/sysctl.ts");
  const formats = { string: "A", int: "I", bool: "B", sys: "E,jailsys", ip4: "S,in_addr,a", ip6: "S,in6_addr,a" };
  for (const name of [
    "jid",
    "name",
    "path",
    "persist",
    "dying",
    "host.hostname",
    "devfs_ruleset",
    "enforce_statfs",
  ].concat(["allow.raw_sockets", "ip4", "ip4.addr", "ip6", "ip6.addr"])) {
    const known = jail.jailParameter(name);
    const told = sysctlVariable(`security.jail.param.${name}`);
    assert.ok(known !== undefined && told !== undefined, name);
    assert.equal(told.format, formats[known.type as keyof typeof formats], name);
    const settable = told.flags & CTLFLAG_WR ? "always" : told.flags & CTLFLAG_TUN ? "creation" : "never";
    assert.equal(settable, known.settable, name);
    if (known.type === "string") assert.equal(Number(sysctlString(told.name)), known.size, name);
  }
  assert.ok(jail.jailParameters().length > 40);
});

test("a parameter that the kernel would refuse without its name is refused with it, before the call", () => {
  const refused = (params: JailParams, message: string, action: jail.JailAction = "create") =>
    assert.throws(() => jail.jailSet({ ...base, ...params }, action), { name: "FieldError", message });
  refused({ "no.such": true }, "no.such: the kernel has no such jail parameter");
  refused({ "children.max": "3" }, "children.max: a jail parameter that takes a number");
  refused({ persist: 1 }, "persist: a jail parameter that takes true or false");
  refused({ path: true }, "path: a jail parameter that takes a string");
  refused(
    { vnet: "new" },
    'vnet: a jail parameter that takes { sys: "disable" }, { sys: "new" } or { sys: "inherit" }',
  );
  refused({ "ip4.addr": "10.0.0.1" }, "ip4.addr: a jail parameter that takes a list of IPv4 addresses");
  refused({ "ip6.addr": ["fd00::1", "fd00::1"] }, "ip6.addr: fd00::1 is named twice");
  refused({ "ip4.addr": Buffer.from("abc") }, "ip4.addr: 3 bytes, not a multiple of 4");
  refused({ securelevel: Buffer.alloc(8) }, "securelevel: 8 bytes, not 4");
  refused({ "host.hostuuid": "x".repeat(64) }, "host.hostuuid: 64 bytes, and the kernel has room for 63");
  refused({ "host.hostid": 5 }, "host.hostid: a jail parameter that takes a bigint");
  refused({ dying: true }, "dying: a jail parameter that cannot be set");
  refused({ path: "/" }, "path: a jail parameter that cannot be changed after creation", "update");
  assert.throws(() => jail.jailSet({ ...base, "ip4.addr": ["fd00::1"] }, "create"), {
    name: "AddressError",
    message: /^ip4\.addr: .*fd00::1/,
  });
  assert.deepEqual(jail.jailIds(), []);
  assert.throws(() => jail.jailGet({ jid: 1 }, { path: "ip4" }), {
    message: "path: a jail parameter of type string, not ip4",
  });
  assert.throws(() => jail.jailGet({ jid: 1 }, { "no.such": "int" }), FieldError);
});

test("all parameters of a jail at once, and each can be set to what it was", () => {
  const jid = jail.jailSet(
    { ...base, "ip4.addr": ["10.0.0.2", "10.0.0.1"], "host.hostid": 7n, securelevel: 1, "allow.noset_hostname": true },
    "create",
  );
  const { jid: found, values } = jail.jailGetAll({ name: "one" });
  assert.equal(found, jid);
  assert.deepEqual(values["ip4.addr"], ["10.0.0.2", "10.0.0.1"]);
  assert.equal(values["host.hostid"], 7n);
  assert.equal(values["allow.set_hostname"], false);
  assert.equal(values.ip4, "new");
  assert.equal(values.securelevel, 1);
  assert.equal(values.jid, jid);
  assert.equal("name" in values, false, "the key");
  const names = jail.jailParameters().map(({ name }) => name);
  assert.deepEqual(
    Object.keys(values),
    names.filter((name) => name !== "name"),
  );
  assert.equal(jail.jailGetAll({ jid }).values.name, "one");
  jail.jailRemove(jid);
});
