import assert from "node:assert/strict";
import { test } from "node:test";
import type { JailParameters } from "../../src/kleene/host/host.ts";
import { parseParameters } from "../../src/kleene/host/parameters.ts";

const kernel = new Map([
  ["sysvshm", "jailsys"],
  ["allow.mount.tmpfs", "boolean"],
] as const);
const parse = (...parameters: string[]): JailParameters =>
  parseParameters(parameters, "id", "FreeBSD", (name) => new Map<string, "jailsys" | "boolean">(kernel).get(name));

test("exec.start and the timeouts of jail.conf", () => {
  const unset = parse();
  assert.deepEqual([unset.execStart, unset.execTimeoutMs, unset.stopTimeoutMs], ["", 10_000, 10_000]);
  const set = parse('exec.start="/bin/sh /etc/rc"', "exec.timeout=90", "stop.timeout = 0");
  assert.deepEqual([set.execStart, set.execTimeoutMs, set.stopTimeoutMs], ["/bin/sh /etc/rc", 90_000, 0]);
  assert.equal(parse("exec.start=x", "exec.nostart").execStart, "");
  for (const bad of ["stop.timeout", "stop.timeout=-1", "stop.timeout=1s", "exec.timeout=1000000", "stop.notimeout"])
    assert.throws(() => parse(bad), { code: "INVALID" }, bad);
});

test("what the kernel lists: a jailsys parameter has three values", () => {
  assert.deepEqual(parse("sysvshm=new", "allow.mount.tmpfs").others, {
    sysvshm: { sys: "new" },
    "allow.mount.tmpfs": true,
  });
  for (const bad of ["sysvshm", "sysvshm=old", "nosysvshm"]) assert.throws(() => parse(bad), { code: "INVALID" }, bad);
});

test("what jail.conf has and klee has not is refused by name, with the reason", () => {
  const names =
    "exec.prestart exec.poststart exec.prestop exec.poststop exec.created exec.prepare exec.release exec.fib " +
    "exec.consolelog vnet vnet.interface ip4 ip4.addr ip6 ip6.addr interface path name jid depend allow.dying command " +
    "zfs.dataset mount mount.fstab mount.fdescfs mount.procfs devfs_ruleset host children.max sysvmsg sysvsem";
  for (const name of names.split(" "))
    assert.throws(() => parse(`${name}=x`), {
      code: "UNSUPPORTED",
      message: new RegExp(`^jail parameter ${name.replaceAll(".", "\\.")} is not available on FreeBSD: .{10}`),
    });
  assert.throws(() => parse("mount.noprocfs"), { code: "UNSUPPORTED", message: /mount\.noprocfs.*: klee mounts/ });
  assert.throws(() => parse("exec.consolelog=/x"), { message: /klee logs/ });
  assert.throws(() => parse("mount.fstab=/x"), { message: /-m/ });
  assert.throws(() => parse("allow.unheard"), { code: "UNSUPPORTED", message: /on FreeBSD$/ });
});
