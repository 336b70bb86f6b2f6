/** What an importer does beyond the bindings' own functions, by what klee/ffi/freebsd exports alone: on the simulator. */
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import {
  abi,
  cFunction,
  errnoTable,
  interfaceIoctl,
  ioc,
  ioctlOn,
  iovec,
  jail,
  launch,
  openDescriptors,
  openDevice,
  struct,
  syscall,
} from "../../src/ffi/freebsd/index.ts";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { Simulator } from "../support/simulator.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const simulator = new Simulator({ devfs: true });
const directory = temporaryDirectory();
after(() => {
  simulator[Symbol.dispose]();
  directory[Symbol.dispose]();
});
simulator.use();

test("an ioctl of the importer's own, with a struct of its own", () => {
  const flags = struct.struct("struct ifreq", "net/if.h", 32, {
    ifr_name: [0, struct.cString(16)],
    ifr_flags: [16, struct.u16],
  });
  const own = ioc.ioctl("SIOCGIFFLAGS", "sys/sockio.h", ioc.iowr("i", 17, flags));
  assert.equal(own.request, abi.interfaces.SIOCGIFFLAGS.request);
  const { argument } = interfaceIoctl({ ioctl: own, object: "lo0", argument: flags.encode({ ifr_name: "lo0" }) });
  assert.ok(flags.decode(argument).ifr_flags & abi.interfaces.IFF_LOOPBACK);
});

test("a device, a call and options of the importer's own", () => {
  {
    using device = openDevice("/dev", "read");
    const call = { ioctl: abi.devfs.DEVFSIO_SGETNEXT, object: "after 0", argument: Buffer.alloc(2) };
    assert.ok(ioctlOn(device, call).argument.readUInt16LE(0) > 0);
  }
  assert.deepEqual(openDescriptors(), []);
  const jailRemove = cFunction<[number], number>("int jail_remove(int jid)");
  assert.throws(() => syscall({ call: "jail_remove", object: "99" }, () => jailRemove(99)), {
    code: "EINVAL",
    errno: Number(Object.entries(errnoTable).find(([, [code]]) => code === "EINVAL")?.[0]),
  });
  const pairs = [iovec.room("persist", 0), { name: "path", value: Buffer.from("/\0") }];
  const jid = jail.jailSetPairs("own", pairs, abi.jail.JAIL_CREATE);
  jail.jailRemove(jid);
});

test("a process in a jail: its streams, status, user and signals", needs("root", "busybox"), async () => {
  const root = join(directory.path, "root");
  buildRoot(root, ["sh", "sleep"]);
  const jid = jail.jailSet({ path: root, name: "box", persist: true }, "create");
  const file = join(directory.path, "output");
  const output = openSync(file, "w");
  const argv = ["/bin/sh", "-c", "echo in $PWD as $USER $OWN; echo wrong >&2; exit 7"];
  {
    using process = await launch.startInJail(jid, { argv, env: ["OWN=1"], stdout: output, stderr: output });
    assert.ok(process.pid > 0);
    assert.deepEqual(await process.exited, { code: 7, signal: undefined, jailGone: false });
  }
  closeSync(output);
  assert.deepEqual(readFileSync(file, "utf8").split("\n").sort(), ["", "in /root as root 1", "wrong"]);
  {
    using process = await launch.startInJail(jid, {
      argv: ["/bin/sh", "-c", "[ $PWD = /bin ] && sleep 60"],
      directory: "/bin",
    });
    process.signal(15);
    assert.deepEqual(await process.exited, { code: undefined, signal: 15, jailGone: false });
  }
  const left = await launch.startInJail(jid, { argv: ["/bin/sleep", "60"] });
  left[Symbol.dispose]();
  assert.equal(await goesWithin(left.pid, 300), false, "it runs on");
  await assert.rejects(launch.startInJail(jid, { argv: ["/none"] }), { step: "execve", code: "ENOENT" });
  await assert.rejects(launch.startInJail(jid, { argv: ["/bin/sh"], user: "nobody-here" }), { step: "user" });
  await assert.rejects(launch.startInJail(999, { argv: ["/bin/sh"] }), { step: "jail_attach", code: "EINVAL" });
  await assert.rejects(launch.startInJail(jid, { argv: [] }), { message: "execve: no program" });
  jail.jailRemove(jid);
  assert.ok(await goesWithin(left.pid, 2000), "it ends with the jail");
});

async function goesWithin(pid: number, milliseconds: number): Promise<boolean> {
  for (const deadline = performance.now() + milliseconds; performance.now() < deadline; await setTimeout(10))
    if (!existsSync(`/proc/${pid}`)) return true;
  return false;
}
