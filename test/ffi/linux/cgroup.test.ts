import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import {
  cgroupId,
  cgroupMounts,
  childrenOf,
  isPopulated,
  killCgroup,
  makeCgroup,
  openCgroup,
  ownProcessesOf,
  pathOfOpen,
  processesOf,
  removeCgroup,
  tryLockCgroup,
} from "../../../src/ffi/linux/cgroup.ts";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { mount, unmount } from "../../../src/ffi/linux/mount.ts";
import { networkNamespaceCookie, networkNamespaceInode } from "../../../src/ffi/linux/network-namespace.ts";
import { before, needs } from "../../support/gate.ts";
import { enterMountNamespace, enterNetworkNamespace } from "../../support/namespaces.ts";

const root = needs("root", "cgroup2");
const whole = cgroupMounts().find(({ isRoot }) => isRoot)?.path ?? "";
const path = `${whole}/klee-test-${process.pid}-cgroup`;

before(() => {
  if (root.skip === false) makeCgroup(path);
});

after(() => {
  if (root.skip === false) {
    assert.notEqual(cgroupId(path), undefined);
    assert.equal(removeCgroup(path), true);
  }
  assert.deepEqual(openDescriptors(), [], "no descriptor is left open");
});

test("the mount is found where the kernel has it", root, () => {
  assert.ok(existsSync(`${whole}/cgroup.procs`));
  assert.equal(existsSync(`${whole}/cgroup.events`), false, "only the root of the hierarchy has no events");
});

test("cgroups are made and removed, and what has gone is no error", root, () => {
  const child = `${path}/a b`;
  assert.equal(makeCgroup(child), true);
  assert.equal(makeCgroup(child), false);
  assert.deepEqual(childrenOf(path), ["a b"]);
  assert.equal(cgroupId(child), statSync(child, { bigint: true }).ino);
  assert.equal(removeCgroup(path), false, "it has a child");
  assert.equal(removeCgroup(child), true);
  assert.equal(removeCgroup(child), true);
  assert.equal(cgroupId(child), undefined);
  assert.deepEqual(childrenOf(child), []);
  assert.deepEqual(processesOf(child), []);
  assert.equal(isPopulated(child), false);
  killCgroup(child);
  assert.equal(openCgroup(child), undefined);
  assert.throws(() => makeCgroup(`${child}/below`), { name: "SyscallError", call: "mkdir", code: "ENOENT" });
});

test("processes are seen and killed in a cgroup and below it", root, async () => {
  const below = `${path}/below`;
  makeCgroup(below);
  const children = [path, below].map((cgroup) => {
    const child = spawn("sleep", ["60"]);
    writeFileSync(`${cgroup}/cgroup.procs`, String(child.pid));
    return child;
  });
  assert.deepEqual(processesOf(path).sort(), children.map(({ pid }) => pid).sort());
  assert.deepEqual(processesOf(below), [children[1]?.pid]);
  assert.deepEqual(ownProcessesOf(path), [children[0]?.pid]);
  assert.equal(isPopulated(path), true);
  assert.equal(removeCgroup(below), false, "a process lives there");
  const exits = children.map((child) => once(child, "exit"));
  killCgroup(path);
  assert.deepEqual(
    (await Promise.all(exits)).map(([, signal]) => signal),
    ["SIGKILL", "SIGKILL"],
  );
  assert.equal(isPopulated(path), false);
  assert.equal(removeCgroup(below), true);
});

test("an open cgroup's path never leads to another of the same name", root, () => {
  const child = `${path}/child`;
  makeCgroup(child);
  using held = openCgroup(child);
  assert.ok(held);
  const id = cgroupId(child);
  assert.equal(cgroupId(pathOfOpen(held)), id);
  removeCgroup(child);
  makeCgroup(child);
  assert.notEqual(cgroupId(child), id);
  assert.throws(() => makeCgroup(`${pathOfOpen(held)}/below`), { code: "ENOENT" });
  assert.deepEqual(childrenOf(child), []);
  removeCgroup(child);
});

test("one descriptor at a time has the lock", root, () => {
  {
    using first = openCgroup(path);
    using second = openCgroup(path);
    assert.ok(first && second);
    assert.equal(tryLockCgroup(first), true);
    assert.equal(tryLockCgroup(second), false);
  }
  using third = openCgroup(path);
  assert.equal(third && tryLockCgroup(third), true);
});

test("a network namespace has a number of its own", root, () => {
  const [cookie, inode] = [networkNamespaceCookie(), networkNamespaceInode()];
  assert.equal(networkNamespaceCookie(), cookie);
  enterNetworkNamespace();
  assert.notEqual(networkNamespaceCookie(), cookie);
  assert.notEqual(networkNamespaceInode(), inode);
});

test("a part of the hierarchy is told from its root", root, () => {
  enterMountNamespace();
  mount({ source: path, target: whole, flags: ["bind"] });
  const mounts = cgroupMounts();
  unmount(whole);
  assert.ok(mounts.length > 0);
  assert.deepEqual(new Set(mounts.map(({ isRoot }) => isRoot)), new Set([false]));
  assert.ok(cgroupMounts().some(({ isRoot }) => isRoot));
});
