/** The bindings as one uses them who imports the package: by its public exports alone. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import * as linux from "klee/ffi/linux";
import { needs } from "../../support/gate.ts";

const { abi, address, cFunction, inet, isErrno, link, netlink, networkNamespace, openDescriptors, pidfd } = linux;

after(() => assert.deepEqual(openDescriptors(), []));

test("an interface with an address, in a network namespace of its own", needs("root"), () => {
  networkNamespace.unshare(abi.namespace.CLONE_NEWNET, "network namespace");
  using socket = netlink.openRtnetlink();
  const web0 = link.createLink(socket, { name: "web0", kind: "bridge", addrGenMode: "none", up: true });
  const prefixes = ["10.2.3.1/32", "fd00::1/128"].map(inet.parsePrefix);
  const flags = abi.rtnetlink.IFA_F_NODAD;
  address.addAddresses(
    socket,
    web0,
    prefixes.map((prefix) => (prefix.family === "inet6" ? { ...prefix, flags } : prefix)),
  );
  assert.deepEqual(
    address.listAddresses(socket, web0).map((one) => `${one.address}/${one.prefixLength}`),
    ["10.2.3.1/32", "fd00::1/128"],
  );
  assert.throws(
    () => address.addAddresses(socket, web0, [...prefixes, inet.parsePrefix("10.2.3.2")]),
    (error) => {
      assert.ok(error instanceof netlink.BatchError);
      assert.deepEqual(
        error.errors.map((one) => one?.code),
        ["EEXIST", "EEXIST", undefined],
      );
      assert.match(error.message, /^RTM_NEWADDR web0 10\.2\.3\.1\/32: EEXIST .*\(and 1 more of 3\)$/);
      return isErrno(error.cause, "EEXIST");
    },
  );
  assert.throws(() => inet.parsePrefix("10.2.3"), linux.AddressError);
  assert.throws(() => link.createLink(socket, { name: "sixteen-letters-", kind: "bridge" }), linux.FieldError);
  link.deleteLink(socket, web0.index, web0.name);
});

test("a message of one's own, of the structs and the constants", needs("root"), () => {
  using socket = netlink.openRtnetlink();
  const { RTM_GETLINK, IFLA_IFNAME, ifinfomsg } = abi.rtnetlink;
  const body = ifinfomsg.encode({ ifi_index: 1 });
  const [reply] = socket.request({ call: "RTM_GETLINK", object: "1", type: RTM_GETLINK, flags: 0, body });
  assert.ok(reply !== undefined);
  assert.equal(ifinfomsg.decode(reply.body).ifi_index, 1);
  const name = netlink.decodeAttributes(reply.body, ifinfomsg.size).get(IFLA_IFNAME);
  assert.equal(name && linux.struct.decodeCString(name), "lo");
});

test("a C function and a system call of one's own; each call is told of", () => {
  const calls: linux.Call[] = [];
  const end = linux.onCall((call) => calls.push(call));
  const dup = cFunction<[number], number>("int dup(int fd)");
  using copy = linux.Fd.of({ call: "dup", object: "standard error" }, () => dup(2));
  const getpid: Readonly<Record<string, number>> = { x64: 39, arm64: 172 };
  const ask = () => linux.systemCall(getpid[process.arch] ?? -1, []);
  assert.equal(linux.syscall({ call: "getpid", object: "" }, ask), process.pid);
  assert.throws(() => linux.syscall({ call: "dup", object: "nothing" }, () => dup(-1)), {
    name: "SyscallError",
    message: "dup nothing: EBADF (Bad file descriptor)",
  });
  end();
  assert.deepEqual(
    calls.filter(({ call }) => call !== "dlopen").map(({ call, object, outcome }) => [call, object, outcome]),
    [
      ["dup", "standard error", copy.number],
      ["getpid", "", process.pid],
      ["dup", "nothing", "EBADF"],
    ],
  );
});

test("a call that waits does so on a thread of the pool", async () => {
  const usleep = linux.asyncFunction<[number]>("int usleep(unsigned int useconds)");
  let turns = 0;
  const turning = setInterval(() => turns++, 5);
  await linux.asyncSyscall({ call: "usleep", object: "" }, () => usleep(100_000));
  clearInterval(turning);
  assert.ok(turns > 5, `${turns} turns of the event loop`);
  const flock = linux.asyncFunction<[number, number]>("int flock(int fd, int operation)");
  const failing = linux.asyncSyscall({ call: "flock", object: "nothing" }, () => flock(-1, 2));
  await assert.rejects(failing, { code: "EBADF", call: "flock" });
});

test("the end of all processes of a cgroup is waited for", needs("root", "cgroup2"), async () => {
  const path = `${linux.cgroup.cgroupRoot()}/klee-test-importer-${process.pid}`;
  assert.equal(linux.cgroup.makeCgroup(path), true);
  try {
    assert.equal(await linux.waitCgroupEmpty(path, 0), true);
    const child = spawn("sleep", ["60"]);
    const exited = once(child, "exit");
    assert.equal(linux.cgroup.moveProcess(child.pid ?? 0, path), true);
    assert.equal(await linux.waitCgroupEmpty(path, 20), false);
    linux.cgroup.killCgroup(path);
    assert.equal(await linux.waitCgroupEmpty(path, 10_000), true);
    await exited;
  } finally {
    linux.cgroup.removeCgroup(path);
  }
  await assert.rejects(linux.waitCgroupEmpty(path, 0), { code: "ENOENT" });
});

test("the end of a process is waited for", async () => {
  const child = spawn("sleep", ["60"]);
  const exited = once(child, "exit");
  using sleeping = pidfd.openProcess(child.pid ?? 0);
  assert.equal(pidfd.sendSignal(sleeping, 15), true);
  assert.equal(await pidfd.waitExit(sleeping, 10_000), true);
  await exited;
});
