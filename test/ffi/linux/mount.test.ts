import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SyscallError } from "../../../src/ffi/errno.ts";
import {
  fileSystemMagic,
  findMountPoint,
  isOnFileSystem,
  listMounts,
  mount,
  parseMountinfo,
  unmount,
} from "../../../src/ffi/linux/mount.ts";
import { before, needs } from "../../support/gate.ts";
import { enterMountNamespace } from "../../support/namespaces.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const mountinfo = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid,nodev shared:9 master:3 propagate_from:2 - cgroup2 cgroup2 rw,nsdelegate
31 25 0:27 /sub /mnt/with\\040blank\\011tab\\134slash rw - tmpfs none rw,size=4k
this is no line of it
32 25 0:28 /part /mnt/part rw - cgroup2 part rw
`;

test("mountinfo is read: optional fields in any number, escapes undone, other lines passed over", () => {
  const mounts = parseMountinfo(mountinfo);
  assert.deepEqual(
    mounts.map(({ mountId, type, mountPoint }) => `${mountId} ${type} ${mountPoint}`),
    ["22 ext4 /", "30 cgroup2 /sys/fs/cgroup/unified", "31 tmpfs /mnt/with blank\ttab\\slash", "32 cgroup2 /mnt/part"],
  );
  assert.deepEqual(mounts[1], {
    mountId: 30,
    parentId: 25,
    root: "/",
    mountPoint: "/sys/fs/cgroup/unified",
    options: ["rw", "nosuid", "nodev"],
    type: "cgroup2",
    source: "cgroup2",
    superOptions: ["rw", "nsdelegate"],
  });
});

test("a file system counts as found only where it is mounted whole", () => {
  const mounts = parseMountinfo(mountinfo);
  assert.equal(findMountPoint("cgroup2", mounts), "/sys/fs/cgroup/unified");
  assert.equal(findMountPoint("cgroup2", mounts.slice(2)), undefined);
});

test("statfs tells file systems apart and names the path it failed on", () => {
  assert.equal(isOnFileSystem("/proc/self", "proc"), true);
  assert.equal(isOnFileSystem("/proc/self", "tmpfs"), false);
  assert.throws(() => fileSystemMagic("/no/such"), /^SyscallError: statfs \/no\/such: ENOENT/);
});

describe("mounts in a mount namespace", needs("root"), () => {
  before(enterMountNamespace);

  test("file systems are mounted, bound, made read-only and unmounted", () => {
    using directory = temporaryDirectory();
    const [target, copy] = [join(directory.path, "with blank"), join(directory.path, "copy")];
    for (const path of [target, copy]) mkdirSync(path);
    const mounted = () => listMounts().filter(({ mountPoint }) => mountPoint.startsWith(directory.path));
    mount({ source: "test", target, type: "tmpfs", flags: ["noSuid", "noDev", "noExec"], data: "mode=0700,size=64k" });
    const [entry] = mounted();
    assert.equal(entry?.mountPoint, target);
    assert.equal(entry?.source, "test");
    for (const option of ["nosuid", "nodev", "noexec"]) assert.ok(entry?.options.includes(option), option);
    assert.equal(statSync(target).mode & 0o777, 0o700);
    assert.ok(isOnFileSystem(target, "tmpfs"));
    writeFileSync(join(target, "file"), "content");

    mount({ source: target, target: copy, flags: ["bind"] });
    mount({ source: "none", target: copy, flags: ["bind", "remount", "readOnly"] });
    assert.equal(readFileSync(join(copy, "file"), "utf8"), "content");
    assert.throws(() => writeFileSync(join(copy, "file"), "changed"), { code: "EROFS" });

    unmount(copy, "detach");
    unmount(target);
    assert.deepEqual(mounted(), []);
    assert.throws(() => unmount(target), /^SyscallError: umount2 .*with blank: EINVAL/);
  });

  test("a failed mount tells what was to be mounted where", () => {
    assert.throws(
      () => mount({ source: "x", target: "/proc/self/fd", type: "no-such-file-system" }),
      (error) =>
        error instanceof SyscallError &&
        error.code === "ENODEV" &&
        error.object === "no-such-file-system on /proc/self/fd",
    );
  });
});
