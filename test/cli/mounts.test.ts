import { strict as assert } from "node:assert";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

const shared = machine.folder("shared");
const file = join(shared, "given");

/** Runs klee, which has to fail with this status and say so in one line. */
function refused(status: number, reason: RegExp, ...args: string[]): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, /(^|\n)klee: [^\n]*\n$/);
  assert.match(result.stderr, reason);
}

before(() => {
  const rootfs = machine.folder("rootfs");
  buildRoot(rootfs, ["sh"]);
  symlinkSync("/usr/share/zoneinfo/Nowhere", join(rootfs, "etc/localtime"));
  symlinkSync("/proc", join(rootfs, "process"));
  symlinkSync("../../dev", join(rootfs, "devices"));
  writeFileSync(file, "given\n");
  ok("image", "create", "dir", rootfs, "--no-localtime", "-t", "box");
});

for (const destination of ["/dev/shm", "/dev/deep/er", "/devices/shm", "/mnt"])
  test(`what is mounted on ${destination} is seen`, gate, () => {
    assert.equal(ok("run", "--rm", "-m", `${shared}:${destination}`, "box", "cat", `${destination}/given`), "given\n");
  });

for (const destination of ["/dev/log", "/dev/null", "/etc/localtime", "/etc/passwd"])
  test(`a file that is mounted on ${destination} is seen`, gate, () => {
    assert.equal(ok("run", "--rm", "-m", `${file}:${destination}`, "box", "cat", destination), "given\n");
  });

test("the target of a link that points at nothing is made in the container, not on the host", gate, () => {
  const script = "cat /usr/share/zoneinfo/Nowhere; ls -l /etc/localtime";
  const printed = ok("run", "--rm", "-m", `${file}:/etc/localtime`, "box", "sh", "-c", script);
  assert.match(printed, /^given\n.*-> \/usr\/share\/zoneinfo\/Nowhere\n$/);
});

for (const destination of ["/proc", "/proc/version", "/proc/sys/kernel", "/dev", "/dev/pts", "/dev/pts/0", "/dev/ptmx"])
  test(`${destination} is refused when the container is made`, gate, () => {
    const why = destination.startsWith("/proc") ? "/proc is what the kernel shows" : "klee makes it";
    refused(
      2,
      new RegExp(`cannot mount on ${destination}: ${why}; name another place`),
      ...["create", "-m", `${shared}:${destination}`, "box"],
    );
    assert.equal(ok("lsc", "-aq"), "");
  });

test("without klee's /dev, it is a place as any other", gate, () => {
  const options = ["-J", "mount.devfs=false", "-m", `${shared}:/dev`];
  assert.equal(ok("run", "--rm", ...options, "box", "cat", "/dev/given"), "given\n");
});

test("a link of the image leads no mount into /proc", gate, () => {
  const why = /cannot mount on \/process\/version: it is below \/proc, which the kernel shows/;
  refused(125, why, "run", "--rm", "-m", `${file}:/process/version`, "box", "true");
  assert.equal(ok("lsc", "-aq"), "");
});

test("a directory on a file, and a file on a directory, are told apart", gate, () => {
  refused(
    125,
    new RegExp(`cannot mount on /etc/passwd: it is a file in the container, ${shared} is a directory; give another`),
    ...["run", "--rm", "-m", `${shared}:/etc/passwd`, "box", "true"],
  );
  refused(
    125,
    new RegExp(`cannot mount on /etc: it is a directory in the container, ${file} is a file; give another`),
    ...["run", "--rm", "-m", `${file}:/etc`, "box", "true"],
  );
});

test("a mount hides none that is below it, in whatever order they are given", gate, () => {
  const above = machine.folder("above");
  mkdirSync(join(above, "x"), { recursive: true });
  for (const mounts of [
    [`${shared}:/mnt/x`, `${above}:/mnt`],
    [`${above}:/mnt`, `${shared}:/mnt/x`],
  ])
    assert.equal(ok("run", "--rm", ...mounts.flatMap((one) => ["-m", one]), "box", "ls", "/mnt/x"), "given\n");
});

test("a store on an overlay is refused with what to do, before anything is made", gate, () => {
  const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => machine.folder(`o/${name}`));
  const data = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  mount({ source: "overlay", target: merged as string, type: "overlay", data });
  try {
    const store = ["--root", `${merged}/store`];
    ok(...store, "image", "create", "dir", join(machine.directory, "rootfs"), "-t", "box");
    refused(
      125,
      /the store .* is on an overlay, .*; keep it on another file system: --root or KLEE_ROOT$/m,
      ...[...store, "run", "box", "true"],
    );
    assert.equal(ok(...store, "lsc", "-aq"), "");
    assert.deepEqual(readdirSync(`${merged}/store/containers`), []);
    ok(...store, "system", "cleanup", "-f");
  } finally {
    unmount(merged as string);
  }
});
