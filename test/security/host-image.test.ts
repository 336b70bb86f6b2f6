/** The image of the running system: its programs, none of its secrets, and never klee's store. */
import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

/** Files of the machine's root, on the file system that the image is of: only this process's mounts lie over it. */
before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "host", "-t", "here");
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});

const inside = (...command: string[]): string => ok("run", "--rm", "-l", "disabled", "here", ...command).trim();
const shows = (path: string): string => inside("sh", "-c", `ls -A ${path} 2>/dev/null; true`);

test("programs and libraries of the host are there", gate, () => {
  assert.equal(inside("sh", "-c", "ls /usr/bin/env; . /etc/os-release; echo $ID").split("\n")[0], "/usr/bin/env");
  assert.equal(inside("cat", "/etc/passwd"), readFileSync("/etc/passwd", "utf8").trim());
});

test("passwords, keys, homes, logs and temporary files of the host are not", gate, () => {
  assert.ok(existsSync("/etc/shadow"), "this host has one");
  for (const file of ["/etc/shadow", "/etc/gshadow", "/etc/shadow-"]) assert.equal(shows(file), "", file);
  for (const directory of ["/root", "/home", "/tmp", "/var/tmp", "/var/log", "/var/backups", "/etc/ssl/private"])
    assert.equal(shows(directory), "", directory);
  assert.equal(inside("stat", "-c", "%a %u", "/root", "/tmp"), "700 0\n1777 0");
  // What is hidden was never there: the container makes its own.
  assert.equal(
    inside("sh", "-c", "echo own > /etc/shadow; mkdir -p /root/.ssh; echo key > /root/.ssh/id; cat /etc/shadow"),
    "own",
  );
});

test("klee's store is nowhere: not in the image, nor to be mounted, whatever it is called", gate, () => {
  const secret = ok("run", "-d", "--name", "other", "-l", "disabled", "-e", "PASSWORD=hunter2", "box", "sleep", "1000");
  assert.ok(secret);
  assert.equal(shows(machine.root), "");
  assert.equal(shows("/var/lib/klee"), "");
  const link = join(machine.directory, "link");
  machine.run("ln", "-s", machine.root, link);
  for (const source of [machine.root, `${machine.root}/logs`, link, "/", machine.directory, `${machine.directory}/.`]) {
    const { status, stderr } = machine.klee([
      "run",
      "--rm",
      "-l",
      "disabled",
      "-m",
      `${source}:/mnt:ro`,
      "box",
      "true",
    ]);
    assert.equal(status, 125, source);
    assert.match(stderr, /^klee: klee's store cannot be mounted: [^\n]+\n$/);
  }
  mkdirSync(join(machine.directory, "near"));
  writeFileSync(join(machine.directory, "near/file"), "near\n");
  assert.equal(
    ok("run", "--rm", "-l", "disabled", "-m", `${machine.directory}/near:/mnt`, "box", "cat", "/mnt/file"),
    "near\n",
  );
  ok("rmc", "-f", "other");
});
