/** A container has taken all of the file system that the store is on: what looks, and what removes, works all the same. */
import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import { needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { findProgram } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

/** A root file system of few files. */
function smallRoot(): string {
  const root = machine.folder("small");
  rmSync(root, { recursive: true });
  for (const name of ["bin", "etc", "proc", "dev"]) mkdirSync(join(root, name), { recursive: true });
  machine.run("cp", findProgram("busybox"), join(root, "bin/busybox"));
  for (const name of ["sh", "cat", "sleep", "ls", "echo", "true"]) symlinkSync("busybox", join(root, "bin", name));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\n");
  return root;
}

for (const { what, data, taker, isFull } of [
  {
    what: "byte",
    data: "size=12m,mode=700",
    // As soon as there is any, it takes it.
    taker: "while :; do cat /dev/zero >> /big; done 2>/dev/null",
    isFull: (): boolean => statfsSync(machine.root).bfree < 50,
  },
  {
    what: "inode",
    data: "size=64m,nr_inodes=150,mode=700",
    taker: "i=0; while :; do ( : > /f$i ) 2>/dev/null && i=$((i+1)); done",
    isFull: (): boolean => statfsSync(machine.root).ffree === 0,
  },
])
  test(`with no ${what} left, all that looks and all that removes works, and nothing is lost`, gate, () => {
    mkdirSync(machine.root, { recursive: true, mode: 0o700 });
    mount({ source: "klee-test", target: machine.root, type: "tmpfs", data });
    try {
      ok("image", "create", "dir", smallRoot(), "-t", "box");
      ok("network", "create", "--subnet", "10.77.3.0/24", "net");
      ok("run", "-d", "-n", "net", "--name", "other", "box", "sh", "-c", "echo said; sleep 1000");
      ok("run", "-d", "-l", "disabled", "--name", "stopped", "box", "true");
      ok("wait", "stopped");
      ok("run", "-d", "-n", "net", "--name", "filler", "box", "sh", "-c", taker);
      waitUntil(isFull, "a full file system");
      assert.match(ok("lsc", "-a"), /filler.*\n.*stopped.*\n.*other/s);
      assert.match(ok("lsi"), /box/);
      assert.match(ok("lsn"), /net/);
      assert.equal(JSON.parse(ok("isc", "other")).container.running, true);
      assert.equal(ok("logs", "other"), "said\n");
      assert.match(ok("top", "other"), /sleep 1000/);
      assert.match(ok("stats", "--no-stream"), /filler/);
      assert.match(ok("events", "--no-follow"), /container start .* filler/);
      ok("exec", "other", "ls", "/");
      assert.ok(isFull(), "still full");
      ok("rmc", "stopped");
      ok("network", "disconnect", "net", "other");
      ok("stop", "other");
      assert.match(ok("lsc", "-a"), /other.*stopped/);
      ok("rmc", "-f", "filler");
      assert.ok(!isFull(), "there is room again");
      assert.match(ok("lsc", "-a"), /^.*\n.*\n.* other .*stopped.*\n$/);
      ok("start", "-d", "other");
      ok("run", "-d", "-l", "disabled", "--name", "again", "box", "sh", "-c", taker);
      waitUntil(isFull, "a full file system");
      ok("system", "cleanup", "-f");
      assert.equal(ok("lsc", "-a", "-q") + ok("lsi", "-q") + ok("lsn", "-q"), "");
      for (const kind of ["containers", "images"]) assert.deepEqual(readdirSync(join(machine.root, kind)), []);
      assert.ok(existsSync(join(machine.root, "reserve")));
    } finally {
      machine.klee(["system", "cleanup", "-f"]);
      unmount(machine.root, "detach");
    }
  });

test("a read-only store can be looked into; what changes it is refused in words", gate, () => {
  mount({ source: "klee-test", target: machine.root, type: "tmpfs", data: "size=32m,mode=700" });
  try {
    ok("image", "create", "dir", smallRoot(), "-t", "box");
    ok("create", "-l", "disabled", "--name", "one", "box", "true");
    machine.run("mount", "-o", "remount,ro", machine.root);
    assert.match(ok("lsc", "-a"), /one/);
    assert.match(ok("lsi"), /box/);
    assert.equal(JSON.parse(ok("isc", "one")).container.name, "one");
    assert.equal(ok("logs", "one"), "");
    assert.match(ok("events", "--no-follow"), /container create .* one/);
    for (const command of [
      ["start", "one"],
      ["rmc", "one"],
      ["create", "box"],
    ]) {
      const { status, stderr } = machine.klee(command);
      assert.ok(status !== 0);
      assert.match(stderr, /^klee: the store .* is on a read-only file system, and this command changes it\n$/);
    }
    machine.run("mount", "-o", "remount,rw", machine.root);
    ok("system", "cleanup", "-f");
  } finally {
    unmount(machine.root, "detach");
  }
});
