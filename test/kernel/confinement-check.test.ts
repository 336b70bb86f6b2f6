import assert from "node:assert/strict";
import { type ExecFileSyncOptions, execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cgroupMounts, makeCgroup, removeCgroup } from "../../src/ffi/linux/cgroup.ts";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import { Confinement } from "../../src/kleene/host/linux/confinement/confinement.ts";
import { needs } from "../support/gate.ts";
import { enterMountNamespace } from "../support/namespaces.ts";

const root = needs("root", "cgroup2");
const module = fileURLToPath(new URL("../../src/kleene/host/linux/confinement/confinement.ts", import.meta.url));

/** Checks in a process started by another command, and gives what it says. */
function checkIn(command: readonly string[], options: ExecFileSyncOptions = {}): string {
  const script = `import(${JSON.stringify(module)}).then(({ Confinement }) => {
    try { Confinement.check(); console.log("fit"); } catch (error) { console.log(error.code + ": " + error.message); }
  })`;
  const [file = "", ...args] = [...command, process.execPath, "--import", "tsx", "-e", script];
  return execFileSync(file, args, { ...options, encoding: "utf8" })
    .toString()
    .trim();
}

test("the host is fit", root, () => {
  assert.equal(checkIn(["env"]), "fit");
});

test("what is missing of root's capabilities is named", root, () => {
  const user = { uid: 65534, gid: 65534 };
  assert.equal(checkIn(["env"], user), "PERMISSION: klee must run as root with CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF");
});

test("root of a user namespace is not enough", root, () => {
  assert.equal(
    checkIn(["unshare", "--user", "--map-root-user"]),
    "PERMISSION: bpf(2) is refused: klee must run as root of the host, not of a user namespace",
  );
});

test("a part of the cgroup hierarchy, or none, is not enough", root, () => {
  enterMountNamespace();
  const whole = cgroupMounts().find(({ isRoot }) => isRoot)?.path ?? "";
  const part = `${whole}/klee-test-${process.pid}-part`;
  makeCgroup(part);
  mount({ source: part, target: whole, flags: ["bind"] });
  const partly = messageOf(() => Confinement.check());
  unmount(whole);
  assert.notEqual(cgroupMounts().length, 0);
  removeCgroup(part);
  assert.equal(
    partly,
    `UNSUPPORTED: cgroup2 at ${whole} is not the root of the hierarchy: klee must run in the host's cgroup namespace`,
  );
  for (const { path } of cgroupMounts()) unmount(path, "detach");
  assert.match(
    messageOf(() => Confinement.check()),
    /^UNSUPPORTED: cgroup2 is not mounted; mount it: /,
  );
});

function messageOf(check: () => void): string {
  let message = "";
  assert.throws(check, (error: { code: string; message: string }) => {
    message = `${error.code}: ${error.message}`;
    return true;
  });
  return message;
}
