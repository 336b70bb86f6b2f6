/** What the simulator refuses, since the kernel would, or would take it for something else. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  in_aliasreq,
  in6_aliasreq,
  SIOCAIFADDR,
  SIOCAIFADDR_IN6,
  SIOCDIFADDR,
} from "../../src/ffi/freebsd/abi/interface.ts";
import {
  DIOCADDRULE,
  DIOCRADDADDRS,
  DIOCRDELADDRS,
  DIOCRSETADDRS,
  DIOCXBEGIN,
  pfioc_rule,
  pfioc_table,
  pfioc_trans,
} from "../../src/ffi/freebsd/abi/pf.ts";
import { AF_INET6 } from "../../src/ffi/freebsd/abi/socket.ts";
import { type IoctlCall, interfaceIoctl } from "../../src/ffi/freebsd/control.ts";
import { encodeAlias, encodeAliasRemoval } from "../../src/ffi/freebsd/ifaddr.ts";
import { ifclone, type JailParams, jail, mount, pf } from "../../src/ffi/freebsd/index.ts";
import { encodeJailParams } from "../../src/ffi/freebsd/jail-encoding.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false });
after(() => simulator[Symbol.dispose]());
simulator.use();
ifclone.createInterface("lo1");

/** The call with one byte of its argument changed. */
function altered(call: IoctlCall, offset: number, value: number): IoctlCall {
  const argument = Buffer.from(call.argument);
  argument[offset] = value;
  return { ...call, argument };
}

const alias = encodeAlias({ interface: "lo1", address: "10.2.3.1" });
const alias6 = encodeAlias({ interface: "lo1", address: "fd00::1" });
const removal = encodeAliasRemoval("lo1", "10.2.3.1");

for (const [what, call] of [
  ["an address without its length", altered(alias, in_aliasreq.fields.ifra_addr[0], 0)],
  ["an address of no family", altered(alias, in_aliasreq.fields.ifra_addr[0] + 1, 0)],
  [
    "a mask without its length, for which the address's class would be taken",
    altered(alias, in_aliasreq.fields.ifra_mask[0], 0),
  ],
  ["a mask with a hole", altered(alias, in_aliasreq.fields.ifra_mask[0] + 4, 0x0f)],
  ["a removal without an address, which would take the first one", altered(removal, 16, 0)],
  ["an IPv6 address on a socket of IPv4", { ...alias6, family: 2 }],
  ["an IPv4 address on a socket of IPv6", { ...alias, family: AF_INET6 }],
  ["an IPv6 lifetime that ends", altered(alias6, in6_aliasreq.fields.ifra_lifetime[0] + 16, 9)],
  ["an IPv6 mask of no length", altered(alias6, in6_aliasreq.fields.ifra_prefixmask[0], 0)],
] as const)
  test(`an interface's request with ${what} is EINVAL`, () => {
    assert.throws(() => interfaceIoctl(call), { code: "EINVAL" });
    assert.ok([SIOCAIFADDR, SIOCAIFADDR_IN6, SIOCDIFADDR].some(({ request }) => request === call.ioctl.request));
  });

test("jails: unknown parameters, wrong sizes, and what cannot be changed later", () => {
  const base = { path: "/", name: "one", persist: true };
  const refused = (params: JailParams, action: "create" | "update", text: RegExp) =>
    assert.throws(
      () => jail.jailSetPairs("", encodeJailParams(params), jail.jailFlags([action])),
      (error: Error) => text.test(error.message),
    );
  refused({ ...base, "no.such": true }, "create", /EINVAL .*unknown parameter: no\.such/);
  refused({ ...base, "children.max": "3" }, "create", /EINVAL/);
  refused({ ...base, "ip4.addr": ["10.0.0.1", "10.0.0.1"] }, "create", /EINVAL/);
  refused({ ...base, "ip4.addr": ["0.0.0.0"] }, "create", /EINVAL/);
  refused({ ...base, name: "77" }, "create", /EINVAL .*name cannot be numeric/);
  refused({ path: "/", name: "one" }, "create", /EINVAL .*new jail must persist or attach/);
  const jid = jail.jailSet(base, "create");
  refused({ jid, path: "/tmp" }, "update", /EINVAL .*path cannot be changed after creation/);
  refused({ jid, "ip4.addr": ["10.0.0.1"] }, "update", /EINVAL/);
  jail.jailRemove(jid);
});

test("mounts: an option that the file system does not know, a missing directory", () => {
  assert.throws(() => mount.mount({ type: "tmpfs", path: "/tmp", options: { nosuch: "1" } }), {
    code: "EINVAL",
    kernelText: "mount option <nosuch> is unknown",
  });
  assert.throws(() => mount.mount({ type: "nosuchfs", path: "/tmp" }), { code: "ENODEV" });
  assert.throws(() => mount.unmount("/nosuch"), { code: "EINVAL" });
});

test("pf: wrong sizes of elements, stale tickets, and a rule outside of a transaction", () => {
  pf.withPf((device) => {
    const send = (ioctl: IoctlCall["ioctl"], argument: Buffer) => device.ioctl({ ioctl, object: "", argument });
    assert.throws(() => send(DIOCXBEGIN, pfioc_trans.encode({ size: 1, esize: 8 })), { code: "ENODEV" });
    assert.throws(() => send(DIOCRSETADDRS, pfioc_table.encode({ pfrio_esize: 16 })), { code: "ENODEV" });
    const table = { pfrt_anchor: "none", pfrt_name: "t" };
    assert.throws(() => send(DIOCRSETADDRS, pfioc_table.encode({ pfrio_table: table, pfrio_esize: 20 })), {
      code: "ESRCH",
    });
    const PFR_FLAG_ATOMIC = 1;
    for (const request of [DIOCRADDADDRS, DIOCRDELADDRS, DIOCRSETADDRS])
      assert.throws(() => send(request, pfioc_table.encode({ pfrio_esize: 20, pfrio_flags: PFR_FLAG_ATOMIC })), {
        code: "EINVAL",
      });
    assert.throws(() => send(DIOCADDRULE, pfioc_rule.encode({ anchor: "none" })), { code: "EINVAL" });
    assert.throws(() => send(DIOCADDRULE, pfioc_rule.encode({ ticket: 99 })), { code: "EBUSY" });
  });
});
