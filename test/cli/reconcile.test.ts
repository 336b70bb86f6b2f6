import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "net");
});

/** Changes the store behind klee's back. */
function sql(statement: string): Promise<void> {
  const { Database } = createRequire(import.meta.url)("sqlite3") as typeof import("sqlite3");
  return new Promise((resolve, reject) => {
    const database = new Database(join(machine.root, "klee.sqlite"));
    database.run(statement, (error) => {
      database.close(() => (error ? reject(error) : resolve()));
    });
  });
}

test("what somebody took away comes back: interface and rules", gate, () => {
  machine.run("ip", "link", "delete", "kleene0");
  machine.run("nft", "flush", "ruleset");
  const check = machine.klee(["system", "check"]);
  assert.equal(check.status, 1);
  assert.match(check.stdout, /kleene0 is missing/);
  assert.match(check.stdout, /rules are not loaded/);
  assert.match(ok("system", "reconcile"), /made interface kleene0 again/);
  assert.equal(ok("system", "check"), "");
  assert.match(machine.run("nft", "list", "ruleset"), /10\.2\.3\.0\/24/);
});

test("a start loads the rules first when they are gone", gate, () => {
  machine.run("nft", "flush", "ruleset");
  ok("run", "-n", "net", "box", "true");
  assert.match(machine.run("nft", "list", "ruleset"), /10\.2\.3\.0\/24/);
});

test("after a boot the first command rebuilds", gate, async () => {
  machine.run("ip", "link", "delete", "kleene0");
  await sql("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'");
  ok("lsn");
  assert.match(machine.run("ip", "-o", "link"), /kleene0/);
  assert.equal(ok("system", "check"), "");
});

test(
  "what cannot be repaired is a warning for whoever only looks, and keeps the others from changing anything",
  gate,
  async () => {
    machine.run("ip", "link", "delete", "kleene0");
    machine.run("ip", "link", "add", "kleene0", "type", "veth", "peer", "name", "stranger");
    await sql("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'");
    for (const args of [
      ["lsc", "-a"],
      ["lsn"],
      ["lsi"],
      ["isn", "net"],
      ["network", "rules"],
      ["events", "--no-follow"],
    ]) {
      const { status, stdout, stderr } = machine.klee(args);
      assert.deepEqual([status, stdout !== ""], [0, true], stderr);
      assert.match(
        stderr,
        /^klee: warning: what a crash or a boot left behind is not repaired: .*kleene0.*rename or remove it\n$/,
      );
    }
    assert.match(machine.klee(["system", "check"]).stdout, /kleene0/);
    for (const args of [
      ["run", "-n", "net", "box", "true"],
      ["network", "rm", "net"],
      ["system", "reconcile"],
    ]) {
      const { status, stderr } = machine.klee(args);
      assert.deepEqual(
        [status, /^klee: [^\n]*kleene0[^\n]*rename or remove it\n$/.test(stderr)],
        [args[0] === "run" ? 125 : 1, true],
        stderr,
      );
    }
    assert.match(machine.run("ip", "-o", "link"), /kleene0/, "nobody removes what is not klee's");
    machine.run("ip", "link", "delete", "kleene0");
    assert.match(ok("lsn"), /net/);
    assert.equal(ok("system", "check"), "");
  },
);

test("a command that died half-way is undone by the next one", gate, async () => {
  const id = ok("network", "create", "--subnet", "10.3.0.0/24", "half").trim();
  const dead = "999999999:1";
  await sql(`INSERT INTO operation (kind, object, process, started) VALUES ('create network', '${id}', '${dead}', '')`);
  assert.doesNotMatch(ok("lsn"), /half/);
  assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene1/);
  const container = ok("create", "-n", "net", "--name", "halfmade", "box").trim();
  await sql(
    `INSERT INTO operation (kind, object, process, started) VALUES ('create container', '${container}', '${dead}', '')`,
  );
  assert.doesNotMatch(ok("lsc", "-a"), /halfmade/);
  assert.equal(ok("system", "check"), "");
});

test("klee killed while it starts a container: the next command leaves it running or takes it down", gate, async () => {
  for (const delay of [20, 60, 90, 120, 150, 200]) {
    const klee = machine.startKlee(["run", "-n", "net", "box", "sleep", "1000"]);
    await new Promise((resolve) => setTimeout(resolve, delay));
    klee.child.kill("SIGKILL");
    await klee.ended;
    waitUntil(() => machine.klee(["system", "check"]).status === 0, "store and kernel to agree");
    const running = ok("lsc", "-q").split("\n").filter(Boolean);
    const aliases = machine.run("ip", "-o", "-4", "address", "show", "dev", "kleene0").split("\n").filter(Boolean);
    assert.equal(aliases.length, running.length, `an alias for each running container (killed after ${delay} ms)`);
    for (const id of ok("lsc", "-a", "-q").split("\n").filter(Boolean)) ok("rmc", "-f", id);
  }
  assert.equal(JSON.parse(ok("isn", "net")).network_endpoints.length, 0);
});

test("a container killed with its supervisor: the listing takes it down", gate, () => {
  const id = ok("run", "-d", "-n", "net", "box", "sleep", "1000").split("\n")[0] ?? "";
  assert.match(machine.run("ip", "-o", "-4", "address", "show", "dev", "kleene0"), /10\.2\.3\.1/);
  for (const pid of supervisorsOf(id)) process.kill(pid, "SIGKILL");
  waitUntil(() => machine.klee(["lsc", "-q"]).stdout === "", "the container's end");
  assert.doesNotMatch(machine.run("ip", "-o", "-4", "address", "show", "dev", "kleene0"), /10\.2\.3\.1/);
  ok("system", "check");
  ok("rmc", id);
});

/** The supervisor of a container, and its pid 1: the same program. */
function supervisorsOf(id: string): number[] {
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`klee-supervisor\0${id}\0`);
    } catch {
      return false;
    }
  });
}

test("cleanup takes all away", gate, () => {
  ok("run", "-d", "-n", "net", "box", "sleep", "1000");
  assert.match(ok("system", "cleanup", "-f"), /container .*\nnetwork .*\nimage /);
  assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene/);
  assert.equal(machine.run("nft", "list", "tables"), "");
});
