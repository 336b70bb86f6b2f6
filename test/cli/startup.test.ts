import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  machine.klee(["image", "create", "dir", machine.folder("rootfs"), "-t", "box"]);
});

test("the restart policy is kept; an unknown one, or one of a container that goes, is refused", gate, () => {
  const policyOf = (name: string): string => JSON.parse(machine.klee(["isc", name]).stdout).container.restart_policy;
  for (const [name, options] of [
    ["plain", []],
    ["never", ["--restart", "no"]],
    ["boot", ["--restart", "on-startup"]],
  ] as const)
    assert.equal(machine.klee(["create", "--name", name, ...options, "box"]).status, 0);
  assert.deepEqual(["plain", "never", "boot"].map(policyOf), ["no", "no", "on-startup"]);
  const unknown = machine.klee(["create", "--restart", "sometimes", "box"]);
  assert.equal(unknown.status, 2);
  assert.match(
    unknown.stderr,
    /^klee: unknown restart policy "sometimes"; available: no, on-startup, on-failure\[:N\], always.*\n$/,
  );
  const contradiction = machine.klee(["run", "--rm", "--restart", "on-startup", "box", "true"]);
  assert.equal(contradiction.status, 125);
  assert.match(contradiction.stderr, /--rm cannot be combined with --restart/);
});

test("what the host's own start-up scripts call is a command of klee, and they are well-formed", gate, () => {
  const unit = readFileSync("etc/systemd/klee.service", "utf8");
  const [, inUnit = ""] = /^ExecStart=\/usr\/local\/bin\/klee (.*)$/m.exec(unit) ?? [];
  // rc.subr(8) of FreeBSD runs ${1}_cmd; this stands for it as far as the script uses it.
  const subr = join(machine.directory, "rc.subr");
  writeFileSync(subr, 'load_rc_config() { :; }\nrun_rc_command() { eval "echo \\"\\$${1}_cmd\\""; }\n');
  const script = join(machine.directory, "klee.rc");
  writeFileSync(script, readFileSync("etc/rc.d/klee", "utf8").replace("/etc/rc.subr", subr));
  chmodSync(script, 0o700);
  const { status, stdout } = spawnSync(script, ["start"], { encoding: "utf8" });
  assert.equal(status, 0);
  assert.equal(stdout, `/usr/local/bin/klee ${inUnit}\n`);
  assert.equal(machine.klee(inUnit.split(" ")).status, 0);
});
