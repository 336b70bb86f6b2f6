import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { findUnixAddress } from "../../src/kleene/host/linux/confinement/unix-address.ts";
import { needs } from "../support/gate.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { enterNetwork, withContainers } from "./containers.ts";
import { DGRAM, type Probe, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "unix hooks");
if (root.skip === false) enterNetwork("10.2.3.1/24");

const SEQPACKET = 5;
const types = [STREAM, DGRAM, SEQPACKET];
const directory = temporaryDirectory();
after(() => directory[Symbol.dispose]());

/** How each kind of socket is reached, of those that listen at a name with the type behind it. */
async function reaches(probe: Probe, name: string): Promise<string[]> {
  const found: string[] = [];
  for (const type of types) found.push(await probe.ask("unix", "connect", type, `${name}${type}`));
  return [...found, await probe.ask("unix", "send", DGRAM, `${name}${DGRAM}`)];
}

async function listens(probe: Probe, name: string): Promise<void> {
  for (const type of types) await probe.must("unix", "listen", type, `${name}${type}`);
}

const all = (answer: string): string[] => Array(4).fill(answer);

test("unix sockets without a file are reached by nobody in a container, those with one by whoever sees it", root, () =>
  withContainers(async (containers) => {
    const host = await containers.host();
    const name = `klee-${process.pid}`;
    const path = join(directory.path, "s");
    await listens(host, `@${name}`);
    await listens(host, path);
    assert.deepEqual(await reaches(host, `@${name}`), all("ok"), "they listen");
    for (const spec of [{ ipv4: ["10.2.3.1"] }, { access: "host" }, { access: "none" }] as const) {
      const inside = await containers.start(spec);
      assert.deepEqual(await reaches(inside, `@${name}`), all("ECONNREFUSED"), JSON.stringify(spec));
      assert.deepEqual(await reaches(inside, path), all("ok"), JSON.stringify(spec));
      await listens(inside, `@${name}-${inside.id}-`);
      assert.deepEqual(await reaches(inside, `@${name}-${inside.id}-`), all("ECONNREFUSED"), "its own, too");
    }
    const free = await containers.start({ access: "none", abstractSockets: true });
    assert.deepEqual(await reaches(free, `@${name}`), all("ok"), "allow.abstract_sockets");
    assert.deepEqual(await reaches(host, `@${name}`), all("ok"), "the host's own go on");
  }),
);

test("what the kernel tells of its types is kept for the next time, for this kernel alone", root, () => {
  const cache = join(directory.path, "kernel.json");
  const found = findUnixAddress(undefined);
  assert.ok(found !== undefined);
  assert.deepEqual(findUnixAddress(cache), found);
  assert.equal(statSync(cache).mode & 0o777, 0o600);
  const text = readFileSync(cache, "utf8");
  const kept = JSON.parse(text);
  writeFileSync(cache, JSON.stringify({ ...kept, unixAddress: { ...found, path: 7 } }));
  assert.deepEqual(findUnixAddress(cache), { ...found, path: 7 }, "it is what is kept");
  for (const other of [{ ...kept, kernel: "00" }, { kernel: kept.kernel, unixAddress: { path: 2 } }, null, []]) {
    writeFileSync(cache, JSON.stringify(other));
    assert.deepEqual(findUnixAddress(cache), found);
    assert.equal(readFileSync(cache, "utf8"), text);
  }
  writeFileSync(cache, text.slice(0, 20));
  assert.deepEqual(findUnixAddress(cache), found, "half a file");
  assert.deepEqual(findUnixAddress(join(directory.path, "nowhere/kernel.json")), found);
  assert.ok(!existsSync(join(directory.path, "nowhere")));
});
