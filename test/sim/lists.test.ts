/** Lists that the simulated kernel gives in one call, however long they are. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { PRISON_STATE_ALIVE, XPRISON_VERSION, xprison } from "../../src/ffi/freebsd/abi/jail.ts";
import { jail, jailList, mount } from "../../src/ffi/freebsd/index.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false, directories: ["/jails/a", "/many"] });
simulator.use();
after(() => simulator[Symbol.dispose]());

test("jails are listed with name and path; one that is dying is not", () => {
  const make = (name: string, ip4: readonly string[], ip6: readonly string[]): number =>
    jail.jailSet({ path: "/jails/a", name, persist: true, "ip4.addr": ip4, "ip6.addr": ip6 }, "create");
  assert.deepEqual(jailList.jails(), []);
  const first = make("a", ["10.2.3.1", "10.2.3.2"], ["fd00::1"]);
  const gone = make("b", [], ["fd00::2", "fd00::3"]);
  const last = make("c", [], []);
  jail.jailRemove(gone);
  assert.deepEqual(jailList.jails(), [
    { jid: first, name: "a", path: "/jails/a" },
    { jid: last, name: "c", path: "/jails/a" },
  ]);
});

test("a jail of another version of the struct is refused, not misread", () => {
  const entry = { pr_version: XPRISON_VERSION + 1, pr_id: 1, pr_state: PRISON_STATE_ALIVE };
  assert.throws(() => jailList.decodeJails(xprison.encode(entry)), /struct xprison is of version 4 here, not 3/);
});

test("more jails, and more mounts, than the first room is for", () => {
  const before = { jails: jailList.jails().length, mounts: mount.mounts().length };
  for (let number = 0; number < 300; number += 1)
    jail.jailSet({ path: "/", name: `j${number}x`, persist: true }, "create");
  assert.equal(jailList.jails().length, before.jails + 300);
  for (let number = 0; number < 520; number += 1) mount.mountTmpfs("/many");
  assert.equal(mount.mounts().length, before.mounts + 520);
});
