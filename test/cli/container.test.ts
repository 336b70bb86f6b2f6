import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
const foreign = new Set<string>();
for (const path of cgroups()) foreign.add(path);

before(() => {
  const rootfs = machine.folder("rootfs");
  buildRoot(rootfs, ["sh", "nc"]);
  ok("image", "create", "dir", rootfs, "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
});

function refused(args: readonly string[], status: number, message: RegExp): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, message);
  assert.doesNotMatch(result.stderr, /\n\s+at /, "no stack trace");
}

/** Leaves a process behind that does not hold the outputs open. */
const DAEMON = "sleep 1000 >/dev/null 2>&1 &";

const containers = (): string[] => ok("lsc", "-a", "-q").split("\n").filter(Boolean);
const removeAll = (): void => {
  for (const id of containers()) ok("rmc", "-f", id);
};
const addresses = (): string => machine.run("ip", "-o", "address", "show", "dev", "kleene0");

test("stdout carries the payload's output alone, and the status is the payload's", gate, () => {
  const run = machine.klee(["run", "-n", "net", "box", "sh", "-c", "echo out; echo err >&2; exit 7"]);
  assert.equal(run.stdout, "out\n");
  assert.match(
    run.stderr,
    /^[0-9a-f]{12}\ncreated execution instance [0-9a-f]{12}\nerr\n\nexecutable [0-9a-f]{12} and its container exited with exit-code 7\n$/,
  );
  assert.equal(run.status, 7);
  assert.doesNotMatch(addresses(), /10\.2\.3/, "a stopped container has no alias");
  removeAll();
});

test("what cannot be started: 127, 126, 125, and nothing half-made stays", gate, () => {
  refused(["run", "box", "nosuchcommand"], 127, /^klee: command not found in the container: nosuchcommand$/m);
  refused(["run", "box", "/etc/passwd"], 126, /^klee: cannot execute \/etc\/passwd in the container: execve: EACCES$/m);
  refused(["run", "nosuchimage", "true"], 125, /no such image 'nosuchimage'/);
  refused(["run", "-n", "nosuchnet", "box", "true"], 125, /network not found: nosuchnet/);
  refused(["run", "-u", "nobody9", "box", "true"], 125, /no such user in the container: nobody9/);
  refused(["run", "--nosuchoption", "box", "true"], 125, /unknown option/);
  refused(["run", "-m", "/nosuch:/mnt", "box", "true"], 125, /cannot mount \/nosuch: the host has no such file/);
  refused(["run", "-J", "allow.mount", "box", "true"], 125, /allow\.mount is not available on Linux/);
  refused(["run", "-e", "novalue", "box", "true"], 125, /give KEY=VALUE/);
  refused(["exec", "nosuch", "true"], 125, /container not found: nosuch/);
  refused(["create", "box", "--name", ".x"], 0, /^/);
  removeAll();
  refused(["create", "--name", ".x", "box"], 2, /invalid container name/);
  refused(["create", "-l", "lolnet", "box"], 2, /unknown network driver "lolnet"/);
  assert.deepEqual(containers(), []);
  assert.doesNotMatch(addresses(), /10\.2\.3/);
  assert.deepEqual(cgroups(), []);
});

test("exec.start is the command, stop.timeout and exec.timeout bound a stop, others say what to use", gate, () => {
  const stubborn = "trap '' TERM; while :; do sleep 1; done";
  ok("run", "-d", "--name", "now", "-J", "exec.nostop", "-J", "stop.timeout=0", "-J", `exec.start=${stubborn}`, "box");
  ok("run", "-d", "--name", "hangs", "-J", "exec.stop=sleep 1000", "-J", "exec.timeout=1", "box", "sleep", "1000");
  const begin = Date.now();
  ok("stop", "now");
  const stopped = Date.now();
  assert.ok(stopped - begin < 8000, "without SIGTERM, at once");
  ok("stop", "hangs");
  // Its first process, as init, does not hear SIGTERM: ten seconds more.
  assert.ok(Date.now() - stopped < 18_000, "exec.stop has one second");
  refused(["run", "-J", "exec.consolelog=/x", "box", "true"], 125, /exec\.consolelog is not available.*'klee logs'/);
  removeAll();
});

/** Containers' cgroups, but for those that were here before. */
function cgroups(): string[] {
  const listed = spawnSync("find", ["/sys/fs/cgroup", "-maxdepth", "3", "-path", "*/klee/*", "-type", "d"], {
    encoding: "utf8",
  });
  return listed.stdout.split("\n").filter((path) => path !== "" && !foreign.has(path));
}

test("addresses: lowest free, given back, both families, given ones checked", gate, () => {
  const endpoint = (ref: string): string[] => {
    const [found] = JSON.parse(ok("isc", ref)).container_endpoints;
    return [found.ip_address, found.ip_address6];
  };
  for (const name of ["a1", "a2", "a3"]) ok("create", "-n", "net", "--name", name, "box");
  assert.deepEqual(
    ["a1", "a2", "a3"].map(endpoint),
    [1, 2, 3].map((n) => [`10.2.3.${n}`, `fd00:2:3::${n}`]),
  );
  ok("rmc", "a2");
  ok("create", "-n", "net", "--name", "a4", "box");
  assert.deepEqual(endpoint("a4"), ["10.2.3.2", "fd00:2:3::2"]);
  ok("create", "-n", "net", "--ip", "10.2.3.77", "--ip6", "fd00:2:3:0::abcd", "--name", "a5", "box");
  assert.deepEqual(endpoint("a5"), ["10.2.3.77", "fd00:2:3::abcd"]);
  ok("create", "-n", "net", "--ip", "", "--name", "a6", "box");
  assert.equal(endpoint("a6")[0], "");
  refused(
    ["create", "-n", "net", "--ip", "10.2.3.77", "box"],
    1,
    /10\.2\.3\.77 is already in use by container [0-9a-f]{12}/,
  );
  refused(["create", "-n", "net", "--ip", "10.9.9.9", "box"], 1, /10\.9\.9\.9 is outside 10\.2\.3\.0\/24/);
  refused(["create", "-n", "net", "--ip", "10.2.3.255", "box"], 1, /network or broadcast address/);
  refused(["create", "-n", "net", "--ip", "10.2.3", "box"], 2, /could not parse IPv4 address/);
  refused(["create", "-l", "ipnet", "--ip", "10.2.3.9", "box"], 2, /needs a network/);
  machine.run("ip", "address", "add", "10.2.3.50/32", "dev", "lo");
  refused(["create", "-n", "net", "--ip", "10.2.3.50", "box"], 1, /10\.2\.3\.50 is in use by the host's interface lo/);
  machine.run("ip", "address", "del", "10.2.3.50/32", "dev", "lo");
  refused(["network", "rm", "net"], 1, /network net is used by containers/);
  removeAll();
});

test("a full network: two addresses in a /30, then a clear error", gate, () => {
  ok("network", "create", "--nat=false", "--subnet", "10.40.0.0/30", "tiny");
  ok("create", "-n", "tiny", "box");
  ok("create", "-n", "tiny", "box");
  refused(["create", "-n", "tiny", "box"], 1, /no more IPv4 addresses left in network tiny \(10\.40\.0\.0\/30\)/);
  removeAll();
  ok("rmn", "tiny");
});

test("input reaches the command with -i only", gate, () => {
  for (const [options, output] of [
    [["-i"], "x\n"],
    [[], ""],
  ] as const) {
    const { status, stdout } = machine.klee(["run", ...options, "box", "cat"], "x\n");
    assert.deepEqual([status, stdout], [0, output]);
  }
  removeAll();
});

test("options end at the first operand", gate, () => {
  assert.match(ok("run", "box", "ls", "-t", "/etc"), /passwd/);
  ok("run", "--name", "o", "box", "sh", "-c", DAEMON);
  assert.equal(ok("exec", "o", "env", "-u", "FOO", "echo", "-n", "x"), "x");
  removeAll();
});

test("a container runs while any of its processes lives; exec starts a stopped one", gate, () => {
  ok("run", "-n", "net", "--name", "live", "box", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo started");
  assert.match(ok("lsc"), /live.*running +\d+/);
  assert.match(addresses(), /10\.2\.3\.1\/32/);
  assert.equal(JSON.parse(ok("isc", "live")).container.running, true);
  assert.equal(ok("exec", "live", "hostname").trim(), containers()[0]);
  refused(["start", "live"], 1, /container already running: live/);
  refused(["rmc", "live"], 1, /you cannot remove a running container: live/);
  const killed = machine.klee(["exec", "live", "sh", "-c", "kill -TERM $$"]);
  assert.equal(killed.status, 143);
  const all = machine.klee(["exec", "live", "killall", "sleep"]);
  assert.equal(all.status, 0);
  waitUntil(() => !ok("lsc", "-q").includes("\n"), "the container's end");
  waitUntil(() => !addresses().includes("10.2.3.1/32"), "its alias to go");
  assert.equal(machine.klee(["exec", "live", "sh", "-c", `${DAEMON} exit 3`]).status, 3);
  assert.match(ok("lsc"), /live.*running/);
  ok("stop", "live");
  refused(["stop", "live"], 1, /container not running: live/);
  assert.equal(ok("lsc", "-q"), "");
  assert.deepEqual(cgroups(), []);
  removeAll();
});

test("detached containers go on without klee, and are taken down without it", gate, () => {
  const output = ok(
    "run",
    "-d",
    "-n",
    "net",
    "--name",
    "det",
    "box",
    "sh",
    "-c",
    "while [ ! -e /tmp/end ]; do sleep 0.05; done",
  );
  assert.match(output, /^[0-9a-f]{12}\ncreated execution instance [0-9a-f]{12}\n$/);
  assert.match(ok("lsc"), /det.*running/);
  ok("exec", "det", "touch", "/tmp/end");
  waitUntil(() => !addresses().includes("10.2.3.1/32"), "the supervisor's teardown");
  assert.equal(ok("lsc", "-q"), "");
  assert.deepEqual(JSON.parse(ok("isc", "det")).container.running, false);
  removeAll();
});

test("klee killed: the container lives, and is taken down at its end", gate, async () => {
  const klee = machine.startKlee([
    "run",
    "-n",
    "net",
    "--name",
    "orphan",
    "box",
    "sh",
    "-c",
    "echo up; while [ ! -e /tmp/end ]; do sleep 0.05; done",
  ]);
  waitUntil(() => klee.output().includes("up\n"), "the payload");
  klee.child.kill("SIGKILL");
  await klee.ended;
  assert.match(ok("lsc"), /orphan.*running/);
  ok("exec", "orphan", "touch", "/tmp/end");
  waitUntil(() => !addresses().includes("10.2.3.1/32"), "the supervisor's teardown");
  assert.equal(ok("system", "check").trim(), "");
  removeAll();
});

test("restart, rename, prune, persistence", gate, () => {
  ok("run", "--name", "r", "box", "sh", "-c", DAEMON);
  const jid = (): string => /running +(\d+)/.exec(ok("lsc"))?.[1] ?? "none";
  const before = jid();
  ok("restart", "r");
  assert.notEqual(jid(), before);
  ok("container", "rename", "r", "s");
  assert.match(ok("lsc"), / s +box:latest +sh -c sleep 1000 >/, "a new name, and all else as it was");
  refused(["container", "rename", "s", "-bad"], 2, /name|option/);
  ok("create", "--name", "kept", "-P", "box");
  ok("create", "--name", "gone", "box");
  refused(["container", "rename", "gone", "kept"], 1, /container name is already taken: kept/);
  refused(["create", "--name", "kept", "box"], 1, /container name is already taken: kept/);
  const gone = JSON.parse(ok("isc", "gone")).container.id;
  assert.equal(ok("container", "prune", "-f").trim(), gone);
  removeAll();
});

test("environment, user, mounts, jail parameters", gate, () => {
  assert.match(ok("run", "-e", "A=b c", "box", "env"), /^A=b c$/m);
  assert.equal(ok("run", "-u", "www", "box", "id", "-u").trim(), "80");
  const shared = machine.folder("shared");
  writeFileSync(join(shared, "file"), "from the host\n");
  assert.equal(ok("run", "-m", `${shared}:/mnt:ro`, "box", "cat", "/mnt/file"), "from the host\n");
  assert.notEqual(machine.klee(["run", "-m", `${shared}:/mnt:ro`, "box", "touch", "/mnt/x"]).status, 0);
  ok("run", "-m", `${shared}:/mnt`, "box", "touch", "/mnt/written");
  assert(existsSync(join(shared, "written")));
  assert.equal(ok("run", "-J", "host.hostname=web.example", "box", "hostname").trim(), "web.example");
  assert.equal(ok("run", "-J", "exec.jail_user=www", "box", "id", "-u").trim(), "80");
  assert.notEqual(machine.klee(["run", "-J", "mount.nodevfs", "box", "test", "-c", "/dev/null"]).status, 0);
  ok("run", "-J", "persist", "--name", "p", "box", "true");
  assert.match(ok("lsc"), / p .*running/, "persist: a jail without a process");
  ok("stop", "p");
  ok("run", "--name", "q", "-m", `${shared}:/mnt`, "-J", 'exec.stop="touch /mnt/stopped"', "box", "sh", "-c", DAEMON);
  ok("stop", "q");
  assert(existsSync(join(shared, "stopped")), "exec.stop ran in the container");
  removeAll();
});

test("images are copy-on-write: a container changes its own files alone", gate, () => {
  ok("run", "--name", "w", "box", "sh", "-c", "echo changed > /etc/passwd; rm /bin/ls");
  assert.match(ok("run", "box", "cat", "/etc/passwd"), /root/);
  assert.equal(ok("exec", "w", "cat", "/etc/passwd"), "changed\n");
  const image = JSON.parse(ok("isi", "box"));
  assert.match(readFileSync(join(image.dataset, "etc/passwd"), "utf8"), /root/);
  refused(["rmi", "box"], 1, /since it is used for containers/);
  removeAll();
});

test("the other drivers: host sees the host's addresses, disabled none", gate, () => {
  const probe = ["sh", "-c", "echo | nc -w1 -u 192.0.2.1 9; echo $?"];
  assert.match(ok("run", "-l", "host", "box", ...probe), /^0$/m);
  assert.match(ok("run", "-l", "disabled", "box", ...probe), /^[1-9]\d*$/m);
  refused(["create", "-l", "host", "-n", "net", "box"], 2, /'host' network-driver cannot connect to networks/);
  removeAll();
});

test("signals reach the command; ^C ends a pipeline", gate, async () => {
  const trap = machine.startKlee([
    "run",
    "box",
    "sh",
    "-c",
    "trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.05; done",
  ]);
  waitUntil(() => trap.output().includes("up\n"), "the payload");
  trap.child.kill("SIGUSR1");
  assert.equal(await trap.ended, 9);
  assert.match(trap.output(), /got\n/);
  const pipeline = machine.startKlee(["run", "box", "sh", "-c", "echo up; sleep 1000 | cat"]);
  waitUntil(() => pipeline.output().includes("up\n"), "the payload");
  pipeline.child.kill("SIGINT");
  assert.equal(await pipeline.ended, 130);
  removeAll();
});

test("with -t the command has a terminal of the caller's size", gate, () => {
  const line = `stty rows 33 cols 101; ${process.execPath} dist/klee.cjs run -it box sh -c 'tty; stty size'`;
  const { stdout, status } = spawnSync("script", ["-qec", line, "/dev/null"], {
    env: machine.environment(),
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
  // script(1) types its end of input, which the terminal may echo.
  assert.match(stdout, /\/dev\/pts\/0\r\n(\^@)?33 101\r\n/);
  removeAll();
});

test("1 GB of output passes unbroken", gate, () => {
  const line = 'exec "$@" | wc -c';
  const command = [process.execPath, "dist/klee.cjs", "run", "box", "sh", "-c", "head -c 1073741824 /dev/zero"];
  const { stdout } = spawnSync("sh", ["-c", line, "sh", ...command], { env: machine.environment(), encoding: "utf8" });
  assert.equal(stdout.trim(), "1073741824");
  removeAll();
});

test("twenty containers at once: every address once, nothing left", gate, async () => {
  const runs = Array.from({ length: 20 }, () =>
    machine.startKlee(["run", "-n", "net", "box", "sh", "-c", "sleep 0.2"]),
  );
  const statuses = await Promise.all(runs.map(({ ended }) => ended));
  assert.deepEqual(statuses, Array(20).fill(0), runs.map(({ output }) => output()).join("\n"));
  const { network_endpoints } = JSON.parse(ok("isn", "net"));
  const taken = network_endpoints.map(({ ip_address }: { ip_address: string }) => ip_address);
  assert.equal(new Set(taken).size, 20);
  assert.doesNotMatch(addresses(), /10\.2\.3/);
  assert.deepEqual(cgroups(), []);
  removeAll();
});
