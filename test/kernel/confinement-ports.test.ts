import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { needs } from "../support/gate.ts";
import { enterNetwork, withContainers } from "./containers.ts";
import { DGRAM, INET, INET6, type Probe, RAW, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "ip");
const A = { ipv4: ["10.2.3.1"], ipv6: ["fd00:2:3::1"] };
const B = { ipv4: ["10.2.3.2"], ipv6: ["fd00:2:3::2"] };
const HOST = "192.0.2.1";
if (root.skip === false)
  enterNetwork(...[...A.ipv4, ...B.ipv4, HOST].map((a) => `${a}/32`), ...[...A.ipv6, ...B.ipv6].map((a) => `${a}/128`));

/** Makes sockets until one is refused; they stay open. */
async function openAll(probe: Probe, kinds: readonly (readonly [number, number])[]): Promise<number[]> {
  const opened: number[] = [];
  for (;;) {
    const [family, type] = kinds[opened.length % kinds.length] ?? [INET, STREAM];
    const answer = await probe.ask("socket", family, type, 0);
    if (!answer.startsWith("ok")) {
      assert.equal(answer, "ENOBUFS");
      return opened;
    }
    opened.push(Number(answer.split(" ")[1]));
  }
}

const kinds = [
  [INET, STREAM],
  [INET6, STREAM],
  [INET, DGRAM],
  [INET6, DGRAM],
] as const;

test("sockets are limited to the container's ports; those that end, or are accepted, do not count", root, () =>
  withContainers(async (containers) => {
    const { confinement } = containers;
    const c = await containers.start({ ...A, ports: 5, rawSockets: true });
    const other = await containers.start({ ...B, ports: 5 });
    const opened = await openAll(c, kinds);
    assert.equal(opened.length, 5);
    assert.equal(await c.ask("socket", INET, RAW, 1), "ENOBUFS");
    // Refused for what they are: they do not count.
    for (let i = 0; i < 9; i++) assert.equal(await other.ask("socket", INET, RAW, 1), "EPERM");
    for (let i = 0; i < 9; i++) assert.equal(await other.ask("socket", INET, DGRAM, 1), "EACCES");
    assert.equal((await openAll(other, kinds)).length, 5, "another's are its own");
    for (const fd of opened) await c.must("close", fd);
    assert.equal((await openAll(c, kinds)).length, 5, "and again");
    confinement.limitPorts(c.id, 7);
    assert.equal((await openAll(c, kinds)).length, 2);
    // A change of addresses keeps count and limit.
    confinement.update(c.id, { access: "addresses", ...A, rawSockets: true });
    assert.equal(await c.ask("socket", INET, STREAM, 0), "ENOBUFS");
    confinement.limitPorts(c.id, 5);
    assert.equal(await c.ask("socket", INET, STREAM, 0), "ENOBUFS");
    await c.stop();
    const again = await containers.enter(c.id);
    const listener = await again.server(INET, STREAM, "0.0.0.0", 7100);
    const host = await containers.host();
    for (let i = 0; i < 9; i++) {
      await host.must("connect", await host.socket(INET, STREAM), "10.2.3.1", 7100);
      const accepted = (await again.must("accept", listener)).split(" ")[1] ?? "";
      if (i % 2 === 0) await again.must("close", accepted);
    }
    assert.equal((await openAll(again, kinds)).length, 4, "the end of a process ends its sockets");
    confinement.limitPorts(c.id, undefined);
    for (let i = 0; i < 50; i++) await again.socket(INET, STREAM);
  }),
);

test("a container that takes all ports that it can leaves the host and others theirs", root, () =>
  withContainers(async (containers) => {
    writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "40000 40099");
    try {
      const c = await containers.start({ ...A, ports: 40 });
      const other = await containers.start(B);
      const host = await containers.host();
      await host.server(INET, STREAM, HOST, 7101);
      const attempts = { listening: 0, left: 0 };
      for (const [mode, address] of [
        ["listening", "0.0.0.0"],
        ["left", "0.0.0.0"],
      ] as const)
        for (let i = 0; i < 100; i++) {
          const answer = await c.ask("socket", INET, STREAM, 0);
          if (!answer.startsWith("ok")) break;
          const fd = Number(answer.split(" ")[1]);
          const bound = await c.ask("bind", fd, address, 0);
          if (bound !== "ok") {
            assert.equal(bound, "EADDRINUSE");
            break;
          }
          attempts[mode]++;
          if (mode === "left") await c.must("close", fd);
        }
      assert.deepEqual(attempts, { listening: 40, left: 0 }, "binds of one minute");
      for (const [probe, address] of [
        [host, HOST],
        [other, HOST],
      ] as const)
        for (let i = 0; i < 8; i++) assert.equal(await probe.tries(INET, STREAM, address, 7101), "ok");
      containers.confinement.limitPorts(c.id, 41);
      const fd = await c.socket(INET, STREAM);
      await c.must("bind", fd, "0.0.0.0", 0);
    } finally {
      writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "32768 60999");
    }
  }),
);

test("nobody in a container chooses the ports of sockets without an address", root, () =>
  withContainers(async (containers) => {
    const IP_LOCAL_PORT_RANGE = [0, 51, (5000 << 16) | 5000] as const;
    const c = await containers.start(A);
    const free = await containers.start({ access: "host" });
    for (const [family, type] of kinds)
      assert.equal(await c.ask("set", await c.socket(family, type), ...IP_LOCAL_PORT_RANGE), "ENOPROTOOPT");
    await free.must("set", await free.socket(INET, STREAM), ...IP_LOCAL_PORT_RANGE);
  }),
);

test("without a way out no group can be joined, of whatever family and by whatever option", root, () =>
  withContainers(async (containers) => {
    const inside = await containers.start({ ...A, internal: true, rawSockets: true });
    const c = await containers.start({ ...B, rawSockets: true });
    const joining = [
      [INET, 0, [35, 39, 42, 46]],
      [INET6, 41, [20, 42, 46]],
      [INET6, 0, [35, 39, 42, 46]],
    ] as const;
    for (const [family, level, names] of joining)
      for (const type of [DGRAM, STREAM, RAW])
        for (const name of names) {
          const of = async (probe: Probe): Promise<string> =>
            probe.ask("set", await probe.socket(family, type, type === RAW ? 17 : 0), level, name, 1);
          assert.equal(await of(inside), "ENODEV", `${family} ${type} ${level} ${name}`);
          assert.notEqual(await of(c), "ENODEV", `${family} ${type} ${level} ${name}`);
        }
    const fd = await c.socket(INET, DGRAM);
    await c.must("join", fd, "224.0.0.251", "127.0.0.1");
    // It has no way out from now on.
    containers.confinement.update(c.id, { access: "addresses", ...B, rawSockets: true, internal: true });
    assert.equal(await c.ask("join", fd, "224.0.0.252", "127.0.0.1"), "ENODEV");
  }),
);
