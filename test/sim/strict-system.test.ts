/** What the simulated kernel refuses of interfaces, jails, mounts, limits, variables and device rulesets: what no record shows. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DEVFSIO_RADD, DEVFSIO_SAPPLY, devfs_rule } from "../../src/ffi/freebsd/abi/devfs.ts";
import { in_aliasreq, in6_aliasreq } from "../../src/ffi/freebsd/abi/interface.ts";
import { type IoctlCall, interfaceIoctl, ioctlOn, openDevice } from "../../src/ffi/freebsd/control.ts";
import { encodeDevfsRule } from "../../src/ffi/freebsd/devfs.ts";
import { encodeAlias } from "../../src/ffi/freebsd/ifaddr.ts";
import {
  ifclone,
  interfaces,
  type JailParams,
  jail,
  jailList,
  mount,
  rctl,
  sysctl,
} from "../../src/ffi/freebsd/index.ts";
import { encodeFlags } from "../../src/ffi/freebsd/interface.ts";
import { encodeJailParams } from "../../src/ffi/freebsd/jail-encoding.ts";
import { openLibrary } from "../../src/ffi/library.ts";
import { SIMULATOR, Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ release: 15, real: false, modules: ["if_bridge", "if_epair", "nullfs"] });
after(() => simulator[Symbol.dispose]());
simulator.use();
ifclone.createInterface("lo1");
ifclone.createInterface("bridge0");

/** The call with one byte of its argument changed. */
function altered(call: IoctlCall, offset: number, value: number): IoctlCall {
  const argument = Buffer.from(call.argument);
  argument[offset] = value;
  return { ...call, argument };
}

const alias = encodeAlias({ interface: "lo1", address: "10.2.3.1" });
const alias6 = encodeAlias({ interface: "lo1", address: "fd00::1" });
const IFF_NOARP = 0x80;
const [address6] = in6_aliasreq.fields.ifra_addr;

for (const [what, call, code] of [
  ["a flag that is not IFF_UP", encodeFlags("lo1", interfaces.interfaceFlags("lo1") | IFF_NOARP), "EINVAL"],
  ["an IPv4 address of carp(4)", altered(alias, in_aliasreq.size - 4, 1), "EPROTONOSUPPORT"],
  ["an IPv6 address of carp(4)", altered(alias6, in6_aliasreq.size - 8, 1), "EPROTONOSUPPORT"],
  ["an IPv6 peer", altered(alias6, address6 + 28, 28), "EINVAL"],
  ["an IPv6 port", altered(alias6, address6 + 2, 1), "EINVAL"],
  ["an IPv6 scope", altered(alias6, address6 + 24, 1), "EINVAL"],
  ["an IPv6 flag of the kernel's own", altered(alias6, in6_aliasreq.fields.ifra_flags[0], 0x04), "EINVAL"],
] as const)
  test(`interfaces: ${what} is ${code}`, () => assert.throws(() => interfaceIoctl(call), { code }));

test("interfaces: units are numbers as they are printed, and a bridge is of Ethernet", () => {
  for (const name of ["lo007", "lo4294967295", "lo-1", "nosuch0"])
    assert.throws(() => ifclone.createInterface(name), { code: "EINVAL" }, name);
  for (const member of ["lo1", "bridge0"])
    assert.throws(() => interfaces.addBridgeMember("bridge0", member), { code: "EINVAL" }, member);
});

test("jails: names, texts and numbers that struct prison has no place for", () => {
  const base = { path: "/", name: "one", persist: true } as const;
  const refused = (params: JailParams, code: string) =>
    assert.throws(
      () => jail.jailSetPairs("", encodeJailParams(params), jail.jailFlags(["create"])),
      { code },
      JSON.stringify(params),
    );
  refused({ ...base, vnet: { sys: "disable" } }, "EINVAL");
  refused({ ...base, host: { sys: "disable" } }, "EINVAL");
  refused({ ...base, vnet: { sys: "new" }, "ip4.addr": ["10.0.0.1"] }, "EINVAL");
  refused({ ...base, osreldate: 0 }, "EINVAL");
  refused({ ...base, osrelease: "" }, "EINVAL");
  refused({ ...base, securelevel: -2 }, "EPERM");
  refused({ ...base, "host.hostname": "x".repeat(256) }, "ENAMETOOLONG");
  refused({ ...base, "host.hostuuid": "x".repeat(64) }, "ENAMETOOLONG");
  refused({ ...base, name: "around.one" }, "ENOENT");
  refused({ ...base, jid: -1 }, "EINVAL");
  assert.deepEqual(jail.jailIds(), []);
  const [one, two] = ["one", "two"].map((name) => jail.jailSet({ ...base, name }, "create"));
  const renamed = (name: string, code: string) =>
    assert.throws(() => jail.jailSet({ jid: two ?? 0, name }, "update"), { code }, name);
  renamed("one", "EEXIST");
  renamed("77", "EINVAL");
  for (const jid of [one, two]) jail.jailRemove(jid ?? 0);
});

test("jails: a dying one is not to be seen, changed or found by its name, which a new one may have", () => {
  const base = { path: "/", name: "one", persist: true, "ip4.addr": ["10.0.0.1", "10.0.0.2"] } as const;
  const first = jail.jailSet(base, "create");
  const end = openLibrary("freebsd-sim", [SIMULATOR]).func("int sim_jail_end(int jid, int dying)");
  end(first, 1);
  const dying = { code: "ENOENT", kernelText: /is dying/ };
  assert.throws(() => jail.jailGet({ name: "one" }, {}), dying);
  assert.throws(() => jail.jailSet({ jid: first, persist: true }, "update"), dying);
  assert.deepEqual(jailList.jails(), []);
  assert.deepEqual(jail.jailIds({ dying: true }), [first]);
  const second = jail.jailSet(base, "create");
  assert.deepEqual(
    jailList.jails().map(({ jid, name }) => [jid, name]),
    [[second, "one"]],
  );
  end(first, 0);
  jail.jailRemove(second);
});

test("mounts: numbers of tmpfs, names of file systems", () => {
  for (const options of [{ size: "much" }, { mode: "999" }, { uid: "root" }])
    assert.throws(() => mount.mount({ type: "tmpfs", path: "/tmp", options }), { code: "EINVAL" });
  assert.throws(() => mount.mount({ type: "x".repeat(16), path: "/tmp" }), { code: "ENAMETOOLONG" });
});

test("limits: of jails, and what can be denied", () => {
  for (const [rule, code] of [
    ["jail:a:maxproc:sigterm=5", "EINVAL"],
    ["process:1:maxproc:deny=5", "EINVAL"],
    ["jail:a:maxproc:deny=5/user", "EINVAL"],
    ["jail:a:maxproc:deny=-5", "EINVAL"],
    ["jail:a:maxproc:deny=5k", "EINVAL"],
    ["jail::maxproc:deny=5", "EINVAL"],
    ["jail:a:cputime:deny=5", "EOPNOTSUPP"],
    ["jail:a:wallclock:deny=5", "EOPNOTSUPP"],
    ["jail:a:pcpu:deny=9223372036855", "ERANGE"],
    [`jail:${"a".repeat(256)}:maxproc:deny=5`, "ENAMETOOLONG"],
    [`jail:a:maxproc:deny=${"0".repeat(5000)}5`, "E2BIG"],
  ] as const)
    assert.throws(() => rctl.addLimit(rule), { code }, rule);
  rctl.addLimit("jail:a:maxproc:deny=5");
  rctl.addLimit("jail:a:maxproc:deny=6/jail");
  assert.deepEqual(rctl.limits("jail:a"), ["jail:a:maxproc:deny=6"], "one that differs in the amount alone goes");
  assert.throws(() => rctl.limits(":a"), { code: "EINVAL" });
  assert.throws(() => rctl.limits("jail:a:maxproc:deny=6:more"), { code: "EINVAL" });
});

test("variables: truth values, the security level, and one to be written alone", () => {
  assert.throws(() => sysctl.setSysctlBytes("net.pf.filter_local", Buffer.from([2])), { code: "EINVAL" });
  sysctl.setSysctlInt("kern.securelevel", 1);
  assert.throws(() => sysctl.setSysctlInt("kern.securelevel", 0), { code: "EPERM" });
  assert.throws(() => sysctl.sysctlBytes("net.inet.tcp.drop"), { code: "EPERM" });
  assert.throws(() => sysctl.sysctlBytesAt([1]), { code: "EINVAL" });
});

test("device rulesets: rules without their mark, of no ruleset, and of one that is not there", () => {
  using fd = openDevice("/dev", "read");
  const rule = encodeDevfsRule(9, { path: "null", action: "unhide" });
  const with_ = (fields: Parameters<typeof devfs_rule.encode>[0]): IoctlCall => {
    const decoded = devfs_rule.decode(rule.argument);
    return { ...rule, ioctl: DEVFSIO_RADD, argument: devfs_rule.encode({ ...decoded, ...fields }) };
  };
  for (const [fields, code] of [
    [{ dr_magic: 1 }, "ERPCMISMATCH"],
    [{ dr_id: 0 }, "EIO"],
    [{ dr_iacts: 0x10, dr_bacts: 0, dr_incset: 77 }, "ESRCH"],
    [{ dr_iacts: 0x8 }, "EINVAL"],
    [{ dr_icond: 0 }, "EINVAL"],
    [{ dr_bacts: 3 }, "EINVAL"],
    [{ dr_mode: 0o666 }, "EINVAL"],
  ] as const)
    assert.throws(() => ioctlOn(fd, with_(fields)), { code }, JSON.stringify(fields));
  const cell = Buffer.from([77, 0]);
  assert.throws(() => ioctlOn(fd, { ioctl: DEVFSIO_SAPPLY, object: "77", argument: cell }), { code: "ESRCH" });
  ioctlOn(fd, with_({ dr_id: 9 * 0x10000 + 5 }));
  assert.throws(() => ioctlOn(fd, with_({ dr_id: 9 * 0x10000 + 5 })), { code: "EEXIST" });
});
