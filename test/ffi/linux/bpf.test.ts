import assert from "node:assert/strict";
import { after, test } from "node:test";
import { SyscallError } from "../../../src/ffi/errno.ts";
import * as bpf from "../../../src/ffi/linux/bpf/index.ts";
import { cgroupMounts, makeCgroup, openCgroup, removeCgroup } from "../../../src/ffi/linux/cgroup.ts";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { networkNamespaceInode, openNetworkNamespace } from "../../../src/ffi/linux/network-namespace.ts";
import { needs } from "../../support/gate.ts";
import { bytesOf, rowsOf } from "../../support/hex.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";

const root = needs("root", "cgroup2");
if (root.skip === false) enterNetworkNamespace();

after(() => assert.deepEqual(openDescriptors(), [], "no descriptor is left open"));

const hash = { name: "test_hash", kind: "hash", keySize: 4, valueSize: 8, maxEntries: 2 } as const;
const key = (n: number): Buffer => Buffer.from([n, 0, 0, 0]);
const value = (n: number): Buffer => Buffer.from([n, 0, 0, 0, 0, 0, 0, 1]);
const pass = (): Buffer => new bpf.Assembler().set(0, 1).exit().assemble();

test("the assembler writes instructions as the kernel reads them", () => {
  const program = new bpf.Assembler()
    .move(6, 1)
    .load32(2, 6, 8)
    .ifEqual(2, -1, "end")
    .set64(3, 0x1122334455667788n)
    .store32Immediate(10, -4, 7)
    .store64(10, -16, 3)
    .ifDifferent(2, 3, "end")
    .ifGreater(2, 3, "end")
    .jump("end")
    .label("end")
    .set(0, -97)
    .call(187)
    .exit()
    .assemble();
  const expected = bytesOf(`
    bf 16 00 00 00 00 00 00   r6 = r1
    61 62 08 00 00 00 00 00   w2 = *(u32 *)(r6 + 8)
    16 02 07 00 ff ff ff ff   if w2 == -1 goto +7
    18 03 00 00 88 77 66 55   r3 = 0x1122334455667788, low half
    00 00 00 00 44 33 22 11   high half
    62 0a fc ff 07 00 00 00   *(u32 *)(r10 - 4) = 7
    7b 3a f0 ff 00 00 00 00   *(u64 *)(r10 - 16) = r3
    5d 32 02 00 00 00 00 00   if r2 != r3 goto +2
    2d 32 01 00 00 00 00 00   if r2 > r3 goto +1
    05 00 00 00 00 00 00 00   goto +0
    b7 00 00 00 9f ff ff ff   r0 = -97
    85 00 00 00 bb 00 00 00   call 187
    95 00 00 00 00 00 00 00   exit
  `);
  assert.deepEqual(rowsOf(program), rowsOf(expected));
  assert.throws(() => new bpf.Assembler().jump("nowhere").assemble(), /label nowhere is missing/);
  assert.throws(() => new bpf.Assembler().label("a").label("a"), /label a is set twice/);
});

test("elements of a hash are added, replaced, read, listed and removed", root, () => {
  using map = bpf.createMap(hash);
  assert.equal(bpf.lookupElement(map, key(1), 8), undefined);
  assert.equal(bpf.addElement(map, key(1), value(1)), true);
  assert.equal(bpf.addElement(map, key(1), value(2)), false);
  assert.deepEqual(bpf.lookupElement(map, key(1), 8), value(1));
  bpf.updateElement(map, key(1), value(3));
  assert.deepEqual(bpf.lookupElement(map, key(1), 8), value(3));
  bpf.updateElement(map, key(2), value(4));
  assert.throws(() => bpf.updateElement(map, key(3), value(5)), { code: "E2BIG" });
  assert.deepEqual([...bpf.keysOf(map, 4)].map((k) => k[0]).sort(), [1, 2]);
  assert.equal(bpf.deleteElement(map, key(1)), true);
  assert.equal(bpf.deleteElement(map, key(1)), false);
});

test("objects are found again by id, as long as they are there", root, () => {
  const { id, name } = ((): { id: number; name: string } => {
    using map = bpf.createMap(hash);
    const info = bpf.mapInfo(map);
    using again = bpf.openMap(info.id) ?? null;
    assert.ok(again);
    bpf.updateElement(again, key(1), value(1));
    assert.deepEqual(bpf.lookupElement(map, key(1), 8), value(1));
    return info;
  })();
  assert.equal(name, "test_hash");
  const deadline = Date.now() + 2000;
  // A map that nobody holds is freed a moment later.
  for (;;) {
    using gone = bpf.openMap(id) ?? null;
    if (gone === null) break;
    assert.ok(Date.now() < deadline, "the map has gone");
  }
  assert.throws(() => bpf.createMap({ ...hash, name: "sixteen_bytes_xx" }), /at most 15 fit/);
});

test("a program tells its name and its maps; a map of sockets and one on sockets can be made", root, () => {
  using storage = bpf.createMap({ ...hash, name: "test_storage", kind: "socket-storage", valueSize: 16 });
  using sockets = bpf.createMap({ ...hash, name: "test_sockets", kind: "sockets" });
  const instructions = new bpf.Assembler().loadMap(1, storage).loadMap(1, sockets).set(0, 1).exit().assemble();
  using program = bpf.loadProgram({ name: "test_program", hook: "tcpEvent", instructions });
  const { name, mapIds } = bpf.programInfo(program);
  assert.equal(name, "test_program");
  assert.deepEqual([...mapIds].sort(), [bpf.mapInfo(storage).id, bpf.mapInfo(sockets).id].sort());
});

test("a refused program comes with the verifier's own words", root, () => {
  const instructions = new bpf.Assembler().move(0, 5).exit().assemble();
  assert.throws(
    () => bpf.loadProgram({ name: "test_bad", hook: "bind4", instructions }),
    (error: unknown) => {
      assert.ok(error instanceof SyscallError);
      assert.equal(error.call, "bpf(PROG_LOAD)");
      assert.equal(error.object, "test_bad");
      assert.equal(error.code, "EACCES");
      assert.match(error.message, /R5 !read_ok/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    },
  );
});

test("programs are attached beside each other and go with their cgroup", root, () => {
  const mount = cgroupMounts().find(({ isRoot }) => isRoot);
  assert.ok(mount);
  const path = `${mount.path}/klee-test-${process.pid}-bpf`;
  makeCgroup(path);
  try {
    using cgroup = openCgroup(path);
    assert.ok(cgroup);
    assert.deepEqual(bpf.queryPrograms(cgroup, "bind4"), []);
    for (const name of ["test_one", "test_two"]) {
      using program = bpf.loadProgram({ name, hook: "bind4", instructions: pass() });
      bpf.attachProgram(cgroup, program, "bind4");
    }
    const names = bpf.queryPrograms(cgroup, "bind4").map((id) => {
      using program = bpf.openProgram(id) ?? null;
      return program && bpf.programInfo(program).name;
    });
    assert.deepEqual(names, ["test_one", "test_two"]);
    assert.deepEqual(bpf.queryPrograms(cgroup, "bind6"), []);
    assert.equal(removeCgroup(path), true);
    assert.deepEqual(bpf.queryPrograms(cgroup, "bind4"), []);
  } finally {
    assert.equal(removeCgroup(path), true);
  }
});

test("a link lives as long as a descriptor of it", root, () => {
  const inode = networkNamespaceInode();
  const own = (): number =>
    [...bpf.linkIds()].filter((id) => {
      using link = bpf.openLink(id) ?? null;
      return link !== null && bpf.namespaceLinkInfo(link)?.namespaceInode === inode;
    }).length;
  {
    using program = bpf.loadProgram({ name: "test_lookup", hook: "lookup", instructions: pass() });
    using namespace = openNetworkNamespace();
    using _link = bpf.createLink(program, namespace, "lookup");
    assert.equal(own(), 1);
  }
  const deadline = Date.now() + 2000;
  while (own() > 0) assert.ok(Date.now() < deadline, "the link has gone");
});
