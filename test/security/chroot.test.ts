/** klee in a chroot(2), as in a rescue system or a build's root: its containers are no way out of it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import { before, needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "ip", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

/** The system around, below another directory: each of its own entries is mounted there. */
function systemBelow(directory: string): void {
  for (const name of readdirSync("/")) {
    const [source, target] = [`/${name}`, join(directory, name)];
    const stats = lstatSync(source);
    if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (stats.isDirectory()) {
      mkdirSync(target);
      mount({ source, target, flags: ["bind", "recursive"] });
    }
  }
}

before(() => {
  const root = machine.folder("rootfs");
  buildRoot(root, ["sh"]);
  writeFileSync(`${root}/whose`, "the image's\n");
  machine.ok("image", "create", "dir", root, "-t", "base");
});

for (const [kind, below] of [
  ["a mount point", "."],
  ["a directory", "directory"],
] as const)
  test(`in ${kind} as root directory, run and exec see the image's root alone`, gate, (t) => {
    const holder = machine.folder("chroot");
    mount({ source: "none", target: holder, type: "tmpfs" });
    // With all that is mounted there: what is removed later must not be the system.
    t.after(() => unmount(holder, "detach"));
    const place = join(holder, below);
    mkdirSync(place, { recursive: true });
    systemBelow(place);
    const klee = (...args: string[]) => {
      const command = [place, process.execPath, kleeCommand, ...args];
      const { status, stdout, stderr } = spawnSync("chroot", command, {
        env: machine.environment(),
        encoding: "utf8",
        timeout: 60_000,
      });
      assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const shown = ["sh", "-c", "cat /whose; ls /; grep -c ' / / ' /proc/self/mountinfo"];
    const own = "the image's\nbin\ndev\netc\nlib\nlib64\nproc\nroot\nsbin\ntmp\nusr\nvar\nwhose\n1\n";
    assert.equal(klee("run", "--rm", "base", ...shown), own);
    klee("run", "-d", "--name", "here", "base", "sleep", "1000");
    assert.equal(klee("exec", "here", ...shown), own);
    klee("rmc", "-f", "here");
  });
