import { strict as assert } from "node:assert";
import {
  chmodSync,
  chownSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { mount } from "../../src/ffi/linux/mount.ts";
import { before, needs } from "../support/gate.ts";
import { type Finished, Machine } from "../support/machine.ts";
import { numbers, runs, seed } from "./seed.ts";

const gate = needs("root", "cgroup2", "libnftables", "ip");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

const database = join(machine.root, "klee.sqlite");
const kept = join(machine.directory, "kept");
/** What reads all tables, what changes one, what repairs. */
const commands = [
  ["lsc", "-a"],
  ["lsn"],
  ["lsi"],
  ["network", "inspect", "net"],
  ["container", "rename", "one", "two"],
  ["system", "check"],
  ["system", "reconcile"],
];

before(() => {
  const files = machine.folder("files");
  for (const args of [
    ["image", "create", "dir", files, "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net"],
    ["create", "-n", "net", "--name", "one", "-e", "A=b", "-m", `${files}:/mnt:ro`, "box", "sleep", "1"],
  ]) {
    const { status, stderr } = machine.klee(args);
    assert.equal(status, 0, stderr);
  }
  cpSync(machine.root, kept, { recursive: true });
});

function restore(): void {
  rmSync(machine.root, { recursive: true, force: true });
  cpSync(kept, machine.root, { recursive: true });
}

/** Works, or fails with one line; never hangs, never shows a stack. */
function isOrderly({ status, stderr }: Finished, what: string): void {
  assert.ok([0, 1, 2].includes(status), `${what}: status ${status}, ${stderr}`);
  assert.doesNotMatch(stderr, /\n\s+at |SQLITE_MISUSE|TypeError|RangeError|undefined/, what);
  if (status !== 0 && stderr !== "") assert.match(stderr, /^klee: .+\n$/, what);
}

function refuses(message: RegExp): void {
  for (const args of [["lsn"], ["network", "create", "--subnet", "10.9.0.0/24", "more"]]) {
    const { status, stdout, stderr } = machine.klee(args);
    assert.equal(status, 1, `${args.join(" ")}: ${stdout}${stderr}`);
    assert.match(stderr, /^klee: .+\n$/);
    assert.match(stderr, message);
  }
}

test("a database with bits flipped or its end cut off", gate, (t) => {
  const pick = numbers(seed);
  const whole = readFileSync(join(kept, "klee.sqlite"));
  const count = runs(12);
  for (let round = 0; round < count; round++) {
    restore();
    const damaged = Buffer.from(whole);
    const flips = pick(8);
    for (let flip = 0; flip <= flips; flip++) {
      const at = pick(damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << pick(8));
    }
    const length = round % 3 === 0 ? pick(damaged.length) : damaged.length;
    writeFileSync(database, damaged.subarray(0, length));
    for (const args of commands)
      isOrderly(machine.klee(args), `KLEE_TEST_SEED=${seed}, damage ${round}: klee ${args.join(" ")}`);
  }
  restore();
  t.diagnostic(`damaged databases ${count} of ${count} orderly (KLEE_TEST_SEED=${seed})`);
});

test("values in the rows that klee never writes", gate, async () => {
  const { Store } = await import("../../src/kleene/store/store.ts");
  const columns = {
    network: ["subnet", "interface", "nat"],
    container: ["cmd", "network_driver", "dataset", "id"],
    image: ["env", "dataset"],
  };
  const values = ["", "not json", "../../etc", "[1]", "x".repeat(300), "; flush ruleset", "\0", '{"a":1}'];
  const pick = numbers(seed);
  for (const [table, names] of Object.entries(columns))
    for (const column of names)
      for (let round = 0; round < runs(2); round++) {
        const value = values[pick(values.length)] ?? "";
        restore();
        const store = await Store.open(machine.root);
        await store.run("PRAGMA foreign_keys = OFF");
        await store.run(`UPDATE ${table} SET ${column} = ?`, value);
        await store.close();
        for (const args of [
          ["lsc", "-a"],
          ["network", "inspect", "net"],
          ["system", "check"],
          ["rmc", "one"],
        ])
          isOrderly(machine.klee(args), `${table}.${column} = ${JSON.stringify(value)}: klee ${args.join(" ")}`);
      }
  restore();
});

test("no database, a directory, a link, somebody else's file", gate, () => {
  restore();
  writeFileSync(database, "this is no database, and longer than a header of one is: ".repeat(40));
  refuses(/damaged/);
  truncateSync(database, 10);
  refuses(/damaged/);
  rmSync(database);
  mkdirSync(database);
  refuses(/is no file/);
  rmSync(database, { recursive: true });
  const elsewhere = join(machine.directory, "elsewhere");
  writeFileSync(elsewhere, "mine", { mode: 0o644 });
  symlinkSync(elsewhere, database);
  refuses(/symbolic link/);
  assert.equal(readFileSync(elsewhere, "utf8"), "mine");
  assert.equal(lstatSync(elsewhere).mode & 0o777, 0o644);
  restore();
  chownSync(database, 1234, 1234);
  refuses(/belongs to user 1234/);
  restore();
  chownSync(machine.root, 1234, 1234);
  refuses(/belongs to user 1234/);
  chownSync(machine.root, 0, 0);
  chmodSync(machine.root, 0o777);
  refuses(/can be written by others/);
  restore();
});

test("nobody but root can read the store", gate, () => {
  restore();
  chmodSync(machine.root, 0o755);
  chmodSync(database, 0o644);
  assert.equal(machine.klee(["lsc"]).status, 0);
  assert.equal(lstatSync(database).mode & 0o777, 0o600);
  for (const name of ["images", "containers", "locks"])
    assert.equal(lstatSync(join(machine.root, name)).mode & 0o077, 0, name);
});

test("a store of a newer klee", gate, async () => {
  restore();
  const { Store } = await import("../../src/kleene/store/store.ts");
  const store = await Store.open(machine.root);
  await store.run("PRAGMA user_version = 1000");
  await store.close();
  refuses(/written by a newer klee.*upgrade/);
  restore();
});

test("a read-only and a full file system", gate, () => {
  restore();
  mount({ source: machine.root, target: machine.root, flags: ["bind"] });
  mount({ source: "none", target: machine.root, flags: ["bind", "remount", "readOnly"] });
  try {
    const looked = machine.klee(["lsn"]);
    assert.equal(looked.status, 0, looked.stderr);
    const created = machine.klee(["network", "create", "--subnet", "10.3.0.0/24", "first"]);
    assert.equal(created.status, 1);
    assert.match(created.stderr, /^klee: the store .* is on a read-only file system, and this command changes it\n$/);
  } finally {
    machine.run("umount", machine.root);
  }
  mount({ source: "full", target: machine.root, type: "tmpfs", data: "size=600k,mode=700" });
  try {
    const ok = machine.klee(["network", "create", "--subnet", "10.3.0.0/24", "first"]);
    assert.equal(ok.status, 0, ok.stderr);
    machine.run("sh", "-c", `head -c 1000000 /dev/zero > ${machine.root}/filler 2>/dev/null || true`);
    const full = machine.klee(["network", "create", "--subnet", "10.4.0.0/24", "second"]);
    assert.equal(full.status, 1, full.stdout);
    assert.match(full.stderr, /^klee: .*(full|space).*\n$/i);
    const image = machine.klee(["image", "create", "dir", "/etc", "-t", "etc"]);
    assert.equal(image.status, 1);
    assert.match(image.stderr, /^klee: .+\n$/);
    rmSync(join(machine.root, "filler"));
    const after = machine.klee(["lsn"]);
    assert.equal(after.status, 0, after.stderr);
    assert.match(after.stdout, /first/);
    assert.doesNotMatch(after.stdout, /second/);
    assert.doesNotMatch(machine.run("ip", "-o", "link"), /kleene2/);
    const removed = machine.klee(["rmn", "first"]);
    assert.equal(removed.status, 0, removed.stderr);
  } finally {
    machine.run("umount", machine.root);
  }
});
