import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import { before, needs } from "../support/gate.ts";
import { kleeCommand, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "strace", "nft", "ip", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  assert.equal(machine.klee(["image", "create", "dir", machine.folder("rootfs"), "-t", "box"]).status, 0);
});

function refused(args: readonly string[], status: number, message: RegExp): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, message);
  assert.equal(result.stderr.trimEnd().split("\n").length, 1, result.stderr);
}

test("no subprocess: klee, its supervisor and the payload are all that is executed", gate, () => {
  const executed = (...args: string[]): string[] => {
    const trace = join(machine.directory, "trace");
    const command = ["-f", "-e", "trace=execve", "-o", trace, process.execPath, kleeCommand, ...args];
    const { status, stderr } = spawnSync("strace", command, { env: machine.environment(), encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const lines = readFileSync(trace, "utf8").matchAll(/execve\("([^"]+)", \["[^"]*"(?:, "([^"]*)")?.* = 0/g);
    const programs = [...lines].map(([, path = ""]) => path.split("/").at(-1) ?? "");
    rmSync(trace);
    return programs;
  };
  const node = process.execPath.split("/").at(-1) ?? "";
  assert.deepEqual(executed("network", "create", "--subnet", "10.2.3.0/24", "net"), [node]);
  // The supervisor executes from its own open file, so that no container can reach the file: then its name is a number.
  const supervised = (programs: string[], payload: string): void => {
    assert.equal(programs[0], node);
    assert.equal(programs.at(-1), payload);
    for (const program of programs.slice(1, -1)) assert.match(program, /^(klee-supervisor|exe|\d+)$/);
  };
  supervised(executed("run", "-n", "net", "box", "/bin/true"), "true");
  // strace follows whatever it starts to its end, so what is to run on is started without it.
  machine.klee(["run", "-d", "-n", "net", "--name", "c", "box", "sleep", "1000"]);
  supervised(executed("exec", "c", "/bin/true"), "true");
  const stop = executed("stop", "c").filter((program) => !/^(klee-supervisor|exe|\d+)$/.test(program));
  assert.deepEqual(stop, [node, "sh"], "klee, and the container's own exec.stop");
  assert.deepEqual(executed("container", "prune", "-f"), [node]);
  assert.deepEqual(executed("network", "rm", "net"), [node]);
});

test("KLEE_TRACE prints each kernel call", gate, () => {
  const { stderr } = machine.klee(["--trace", "network", "create", "--subnet", "10.4.0.0/24", "traced"]);
  assert.match(stderr, /^klee: RTM_NEWLINK kleene0.* = 0 <\d+ us>$/m);
  assert.equal(machine.klee(["network", "rm", "traced"]).status, 0);
});

test("the store is its owner's alone", gate, () => {
  assert.equal(statSync(machine.root).mode & 0o777, 0o700);
  assert.equal(statSync(join(machine.root, "klee.sqlite")).mode & 0o777, 0o600);
});

test("version, help, unknown commands, a relative root", gate, () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.match(machine.klee(["--version"]).stdout, new RegExp(version.replaceAll(".", "\\.")));
  for (const args of [["--help"], ["network"], ["run", "--help"]]) assert.equal(machine.klee(args).status, 0);
  refused(["--root", "relative", "lsn"], 2, /absolute path/);
  assert.equal(machine.klee(["nosuch"]).status, 2);
});

test("without root, cgroup2 or a whole libnftables: one line that says what is missing", gate, () => {
  const { status, stderr } = spawnSync(process.execPath, [kleeCommand, "lsn"], {
    env: machine.environment(),
    uid: 65534,
    gid: 65534,
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /^klee: .*root[^\n]*\n$/);

  const library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
    .map((directory) => `${directory}/libnftables.so.1`)
    .find((path) => existsSync(path));
  assert(library !== undefined);
  const empty = join(machine.directory, "empty");
  writeFileSync(empty, "");
  mount({ source: empty, target: library, flags: ["bind"] });
  refused(
    ["network", "create", "--subnet", "10.3.0.0/24", "x"],
    1,
    /cannot load libnftables \(Debian package libnftables1\) [^\n]*file too short/,
  );
  unmount(library);
  assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene/, "the interface was taken away again");
  assert.equal(machine.klee(["lsn", "-q"]).stdout, "");

  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, target = "", type] = line.split(" ");
    if (type === "cgroup2") unmount(target, "detach");
  }
  refused(["network", "create", "--subnet", "10.3.0.0/24", "x"], 1, /cgroup2/);
  refused(["run", "box", "true"], 125, /cgroup2/);
});
