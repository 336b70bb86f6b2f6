import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as bpf from "../../src/ffi/linux/bpf/index.ts";
import { makeCgroup, openCgroup, removeCgroup } from "../../src/ffi/linux/cgroup.ts";
import type { Fd } from "../../src/ffi/linux/fd.ts";
import { networkNamespaceInode } from "../../src/ffi/linux/network-namespace.ts";
import { findAttachment } from "../../src/kleene/host/linux/confinement/attachment.ts";
import { Confinement, markOf } from "../../src/kleene/host/linux/confinement/confinement.ts";
import { addressKey } from "../../src/kleene/host/linux/confinement/maps.ts";
import { cgroupHooks } from "../../src/kleene/host/linux/confinement/programs.ts";
import { needs } from "../support/gate.ts";
import { enterNetwork, withContainers } from "./containers.ts";
import { INET, Probe, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "ip");
if (root.skip === false) enterNetwork("10.2.3.1/32", "10.2.3.2/32");

const spec = { access: "addresses", ipv4: ["10.2.3.1"], ipv6: ["fd00:2:3::1"], rawSockets: false } as const;
const ID = "f455de07ac84";

function count(map: Fd, keySize: number): number {
  return [...bpf.keysOf(map, keySize)].length;
}

/** Programs on the parent cgroup, by hook. */
function attached(path: string): number[] {
  using cgroup = openCgroup(path);
  if (cgroup === undefined) return [];
  return cgroupHooks.map((hook) => bpf.queryPrograms(cgroup, hook).length);
}

const onceEach = cgroupHooks.map(() => 1);

/** Links of klee's to this network namespace. */
function links(): number {
  let found = 0;
  for (const id of bpf.linkIds()) {
    using link = bpf.openLink(id) ?? null;
    if (link !== null && bpf.namespaceLinkInfo(link)?.namespaceInode === networkNamespaceInode()) found++;
  }
  return found;
}

test("the host is fit to confine containers", root, () => Confinement.check());

test("what is registered is in the maps, and gone with the container", root, () =>
  withContainers(async ({ confinement, parent }) => {
    confinement.create(ID, spec);
    using maps = findAttachment(`${confinement.cgroupRoot}/${parent}`) ?? null;
    assert.ok(maps);
    const { containers, addresses } = maps.maps;
    assert.equal(count(containers, 8), 1);
    const cgroup = statSync(confinement.pathOf(ID), { bigint: true }).ino;
    assert.deepEqual(
      [...bpf.keysOf(containers, 8)].map((key) => key.readBigUInt64LE()),
      [cgroup],
    );
    const known = (): string[] =>
      [...bpf.keysOf(addresses, addressKey.size)].map((key) => key.subarray(addressKey.address).toString("hex")).sort();
    assert.deepEqual(known(), ["00000000000000000000ffff0a020301", "fd000002000300000000000000000001"]);
    confinement.update(ID, { ...spec, ipv4: ["10.2.3.1", "10.2.3.2"], ipv6: [] });
    assert.deepEqual(known(), ["00000000000000000000ffff0a020301", "00000000000000000000ffff0a020302"]);
    confinement.create("0123456789ab", { ...spec, ipv4: [], ipv6: spec.ipv6 });
    assert.throws(() => confinement.update(ID, spec), { code: "CONFLICT" });
    assert.deepEqual(known().length, 3, "a refused change leaves no address behind");
    await confinement.remove(ID);
    assert.equal(count(containers, 8), 1);
    await confinement.remove("0123456789ab");
    assert.equal(count(containers, 8), 0);
    assert.equal(count(addresses, addressKey.size), 0);
  }),
);

test("whether a process asked for a socket is known at the end, even for a refused one", root, () =>
  withContainers(async (containers) => {
    const { confinement } = containers;
    const silent = await containers.start({ ipv4: ["10.2.3.1"] });
    assert.equal(await confinement.remove(silent.id), false);
    assert.equal(await confinement.remove(silent.id), true, "of one that is not there nobody knows");
    const asking = await containers.start({ ipv4: ["10.2.3.1"] });
    await asking.socket(INET, STREAM);
    assert.equal(await confinement.remove(asking.id), true);
    const refused = await containers.start({ ipv4: [] });
    assert.equal(await refused.ask("socket", INET, STREAM, 0), "EAFNOSUPPORT");
    assert.equal(await confinement.remove(refused.id), true);
  }),
);

test("of a container whose addresses changed while it ran nobody knows whether it asked for a socket", root, () =>
  withContainers(async (containers) => {
    const { confinement } = containers;
    const changed = await containers.start({ ipv4: ["10.2.3.1"] });
    confinement.update(changed.id, { access: "addresses", ipv4: ["10.2.3.2"], ipv6: [], rawSockets: false });
    assert.equal(await confinement.remove(changed.id), true);
  }),
);

test("addresses of a container whose cgroups somebody else removed are free", root, () =>
  withContainers(async ({ confinement }) => {
    confinement.create("0123456789ab", { ...spec, ipv6: [] });
    confinement.create(ID, { ...spec, ipv4: [] });
    for (const path of [
      ...["init", "payload"].map((leaf) => `${confinement.pathOf(ID)}/${leaf}`),
      confinement.pathOf(ID),
    ])
      assert.equal(removeCgroup(path), true);
    confinement.create("0123456789cd", { ...spec, ipv4: [] });
    await confinement.remove("0123456789cd");
    await confinement.remove("0123456789ab");
  }),
);

test("making a container fails without a trace", root, () =>
  withContainers(async ({ confinement }) => {
    assert.throws(() => confinement.create("../etc", spec), { code: "INVALID" });
    const seventeen = Array.from({ length: 17 }, (_, i) => `10.2.3.${i}`);
    assert.throws(() => confinement.create(ID, { ...spec, ipv4: seventeen }), { code: "UNSUPPORTED" });
    assert.throws(() => confinement.create(ID, { ...spec, ipv4: ["10.2.3"] }), /not an IP address/);
    assert.equal(confinement.exists(ID), false);
    confinement.create("0123456789ab", spec);
    assert.throws(() => confinement.create(ID, spec), { code: "CONFLICT" });
    assert.equal(confinement.exists(ID), false);
    assert.throws(() => confinement.create("0123456789ab", spec), { code: "CONFLICT" });
    assert.equal(confinement.exists("0123456789ab"), true);
    assert.throws(() => confinement.update(ID, spec), { code: "NOT_FOUND" });
    await confinement.remove("0123456789ab");
    await confinement.remove("0123456789ab");
    await confinement.remove(ID);
  }),
);

test("a container is listed while its first process lives, and removal kills all of it", root, () =>
  withContainers(async (containers) => {
    const { confinement } = containers;
    const c = await containers.start(spec);
    assert.deepEqual(confinement.list(), []);
    const init = containers.track(await Probe.start(`${confinement.pathOf(c.id)}/init`));
    assert.deepEqual(confinement.list(), [{ id: c.id, initPid: init.pid }]);
    assert.deepEqual(confinement.processes(c.id), [c.pid]);
    assert.equal(confinement.populated(c.id), true);
    const nested = `${confinement.payloadPath(c.id)}/nested`;
    makeCgroup(nested);
    const inner = containers.track(await Probe.start(nested));
    await inner.server(INET, STREAM, "0.0.0.0", 7000);
    assert.deepEqual(confinement.processes(c.id).sort(), [c.pid, inner.pid].sort());
    await Promise.all([confinement.remove(c.id), confinement.remove(c.id)]);
    assert.equal(confinement.exists(c.id), false);
    assert.deepEqual(confinement.list(), []);
    assert.equal(confinement.populated(c.id), false);
  }),
);

test("the parent goes with the last container, and comes again", root, () =>
  withContainers(async ({ confinement, parent }) => {
    const path = `${confinement.cgroupRoot}/${parent}`;
    using second = new Confinement({ parent });
    confinement.create(ID, spec);
    assert.deepEqual(attached(path), onceEach);
    assert.equal(second.removeParentIfUnused(), false);
    await second.remove(ID);
    assert.equal(openCgroup(path), undefined);
    // Its own maps are of a cgroup that has gone; it finds out.
    confinement.create(ID, spec);
    second.create("0123456789ab", { ...spec, ipv4: ["10.2.3.2"], ipv6: [] });
    assert.deepEqual(attached(path), onceEach);
    const probe = await Probe.start(second.payloadPath("0123456789ab"));
    await probe.server(INET, STREAM, "0.0.0.0", 7001);
    await probe.stop();
    await confinement.remove("0123456789ab");
    await confinement.remove(ID);
  }),
);

test("programs of another version stay as long as containers run under them", root, () =>
  withContainers(async ({ confinement, parent }) => {
    const path = `${confinement.cgroupRoot}/${parent}`;
    const older = `${path}/${ID}`;
    makeCgroup(path);
    {
      using cgroup = openCgroup(path);
      assert.ok(cgroup);
      const instructions = new bpf.Assembler().set(0, 1).exit().assemble();
      using program = bpf.loadProgram({ name: "klee0_bind4", hook: "bind4", instructions });
      bpf.attachProgram(cgroup, program, "bind4");
    }
    makeCgroup(older);
    assert.throws(() => confinement.create("0123456789ab", spec), {
      code: "CONFLICT",
      message: /another version of klee/,
    });
    await confinement.remove(ID);
    confinement.create("0123456789ab", spec);
    assert.deepEqual(attached(path), onceEach);
    await confinement.remove("0123456789ab");
  }),
);

test("one link serves all containers of a network namespace, and goes with its last holder", root, () =>
  withContainers(async ({ confinement, parent }) => {
    assert.equal(links(), 0);
    using second = new Confinement({ parent });
    confinement.create(ID, spec);
    confinement.holdFds();
    second.holdFds();
    assert.equal(links(), 1);
    confinement.close();
    assert.equal(links(), 1);
    second.close();
    const deadline = Date.now() + 2000;
    while (links() > 0 && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(links(), 0);
    await confinement.remove(ID);
  }),
);

const worker = fileURLToPath(new URL("confinement-worker.ts", import.meta.url));

function startWorker(parent: string, id: string, rounds: number): ChildProcess {
  const args = ["--import", "tsx", worker, parent, id, String(rounds)];
  return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
}

test("eight processes that start at once attach each program once", root, () =>
  withContainers(async ({ confinement, parent }) => {
    const ids = Array.from({ length: 8 }, (_, i) => `0123456789a${i}`);
    const workers = ids.map((id) => startWorker(parent, id, 1));
    const outputs = workers.map((child) =>
      createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator](),
    );
    for (const output of outputs) assert.equal((await output.next()).value, "ready");
    for (const child of workers) child.stdin?.write("go\n");
    for (const output of outputs) assert.equal((await output.next()).value, "created");
    assert.deepEqual(attached(`${confinement.cgroupRoot}/${parent}`), onceEach);
    assert.equal(links(), 1);
    using found = findAttachment(`${confinement.cgroupRoot}/${parent}`) ?? null;
    assert.equal(found && count(found.maps.containers, 8), 8);
    const exits = workers.map((child) => once(child, "exit"));
    for (const child of workers) child.stdin?.end();
    assert.deepEqual(
      (await Promise.all(exits)).map(([code]) => code),
      ids.map(() => 0),
    );
    assert.equal(confinement.removeParentIfUnused(), true);
  }),
);

test("processes that make and remove containers at once, parent and all, never find each other's programs", root, () =>
  withContainers(async ({ confinement, parent }) => {
    const workers = ["0123456789a1", "0123456789a2", "0123456789a3"].map((id) => startWorker(parent, id, 40));
    const exits = workers.map((child) => once(child, "exit"));
    for (const child of workers) {
      child.stdout?.resume();
      child.stdin?.end("go\n");
    }
    assert.deepEqual(
      (await Promise.all(exits)).map(([code]) => code),
      [0, 0, 0],
    );
    assert.deepEqual(
      readdirSync(confinement.cgroupRoot).filter((name) => name.startsWith(parent)),
      [],
    );
  }),
);

test("a mark is the first half of the id, and never none", () => {
  assert.equal(markOf("f455de07ac84"), 0xf455de07);
  assert.equal(markOf("00000000ac84"), 1);
});
