import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../support/gate.ts";
import { enterNetwork, withContainers } from "./containers.ts";
import { DGRAM, INET, INET6, type Probe, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "ip");
const many = Array.from({ length: 16 }, (_, i) => ({ v4: `10.2.3.${i + 1}`, v6: `fd00:2:3::${(i + 1).toString(16)}` }));
const C = { ipv4: many.map(({ v4 }) => v4), ipv6: many.map(({ v6 }) => v6) };
const OTHER = { ipv4: ["10.9.9.1", "10.9.9.2"], ipv6: ["fd00:9:9::1"] };
const HOST = ["192.0.2.1", "2001:db8::1"] as const;
if (root.skip === false) {
  const addresses = [...C.ipv4, ...C.ipv6, ...OTHER.ipv4, ...OTHER.ipv6, ...HOST];
  enterNetwork(...addresses.map((address) => `${address}/${address.includes(":") ? 128 : 32}`));
}

const V6ONLY = [41, 26] as const;
const SO_REUSEPORT = [1, 15, 1] as const;
const familyOf = (address: string): number => (address.includes(":") ? INET6 : INET);

/** Connects to an address and port, and has the listener answer with its local address. */
async function reached(client: Probe, address: string, port: number, server: Probe, listener: number): Promise<void> {
  const fd = await client.socket(familyOf(address), STREAM);
  assert.equal(await client.ask("connect", fd, address, port), "ok", address);
  const accepted = (await server.must("accept", listener)).split(" ")[1] ?? "";
  const local = (await server.must("local", accepted)).split(" ")[1]?.replace("::ffff:", "");
  assert.equal(local, address);
  // Data both ways: the accepted socket works, whatever its listener was bound to.
  await client.must("write", fd, "ping");
  assert.match(await server.must("receive", accepted), /^ok ping/);
  await server.must("write", accepted, "pong");
  assert.match(await client.must("receive", fd), /^ok pong/);
  await client.must("close", fd);
  await server.must("close", accepted);
}

test("TCP: a wildcard listener is reached on all addresses of its family, and on no other", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(C);
    const other = await containers.start(OTHER);
    const host = await containers.host();
    const four = await c.server(INET, STREAM, "0.0.0.0", 6000);
    for (const address of C.ipv4) await reached(host, address, 6000, c, four);
    await reached(other, "10.2.3.16", 6000, c, four);
    for (const address of [...C.ipv6, ...OTHER.ipv4, ...OTHER.ipv6, ...HOST, "127.0.0.1", "::1"])
      assert.equal(await host.tries(familyOf(address), STREAM, address, 6000), "ECONNREFUSED", address);

    const six = await c.socket(INET6, STREAM);
    await c.must("set", six, ...V6ONLY, 1);
    await c.must("bind", six, "::", 6000);
    await c.must("listen", six);
    for (const address of C.ipv6) await reached(host, address, 6000, c, six);
    await reached(host, "10.2.3.2", 6000, c, four);
    for (const address of [...OTHER.ipv6, HOST[1], "::1"])
      assert.equal(await host.tries(INET6, STREAM, address, 6000), "ECONNREFUSED", address);
  }),
);

test("TCP: a listener on :: that is not for IPv6 alone hears both families", root, () =>
  withContainers(async (containers) => {
    const host = await containers.host();
    const c = await containers.start(C);
    const both = await c.socket(INET6, STREAM);
    await c.must("set", both, ...V6ONLY, 1);
    await c.must("set", both, ...V6ONLY, 0);
    await c.must("bind", both, "::", 6001);
    await c.must("listen", both);
    for (const address of [...C.ipv4, ...C.ipv6]) await reached(host, address, 6001, c, both);
    await reached(c, "10.2.3.9", 6001, c, both);
    for (const address of [...OTHER.ipv4, ...OTHER.ipv6, ...HOST, "127.0.0.1", "::1"])
      assert.equal(await host.tries(familyOf(address), STREAM, address, 6001), "ECONNREFUSED", address);
    // From within, loopback leads there in both families.
    assert.equal(await c.tries(INET, STREAM, "127.0.0.1", 6001), "ok");
    assert.equal(await c.tries(INET6, STREAM, "::1", 6001), "ok");
  }),
);

test("TCP: two containers with several addresses listen on :: at one port", root, () =>
  withContainers(async (containers) => {
    const host = await containers.host();
    const a = await containers.start({ ipv4: C.ipv4.slice(0, 2), ipv6: C.ipv6.slice(0, 2) });
    const b = await containers.start(OTHER);
    const la = await a.server(INET6, STREAM, "::", 6002);
    const lb = await b.server(INET6, STREAM, "::", 6002);
    for (const address of [...C.ipv4.slice(0, 2), ...C.ipv6.slice(0, 2)]) await reached(host, address, 6002, a, la);
    for (const address of [...OTHER.ipv4, ...OTHER.ipv6]) await reached(host, address, 6002, b, lb);
    await b.must("close", lb);
    for (const address of [...OTHER.ipv4, ...OTHER.ipv6])
      assert.equal(await host.tries(familyOf(address), STREAM, address, 6002), "ECONNREFUSED", address);
    await reached(host, "10.2.3.2", 6002, a, la);
  }),
);

test("TCP: a listener on one address is reached there alone, and goes before the wildcard", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(C);
    const host = await containers.host();
    const first = await c.server(INET, STREAM, "10.2.3.1", 6003);
    const loop = await c.server(INET, STREAM, "127.0.0.1", 6004);
    const second = await c.server(INET, STREAM, "10.2.3.2", 6005);
    await reached(host, "10.2.3.1", 6003, c, first);
    await reached(host, "10.2.3.1", 6004, c, loop);
    await reached(host, "10.2.3.2", 6005, c, second);
    for (const [address, port] of [
      ["10.2.3.2", 6003],
      ["fd00:2:3::1", 6003],
      ["10.2.3.2", 6004],
      ["10.2.3.1", 6005],
    ] as const)
      assert.equal(await host.tries(familyOf(address), STREAM, address, port), "ECONNREFUSED", address);
    const any = await c.server(INET, STREAM, "0.0.0.0", 6005);
    await reached(host, "10.2.3.2", 6005, c, second);
    await reached(host, "10.2.3.1", 6005, c, any);
    await reached(host, "10.2.3.3", 6005, c, any);
    await c.must("close", second);
    await reached(host, "10.2.3.2", 6005, c, any);
  }),
);

test("TCP: listeners that share a port come and go, and the last one is still reached", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(C);
    const host = await containers.host();
    const listeners: number[] = [];
    for (let i = 0; i < 10; i++) {
      const fd = await c.socket(INET, STREAM);
      await c.must("set", fd, ...SO_REUSEPORT);
      await c.must("bind", fd, "0.0.0.0", 6006);
      await c.must("listen", fd);
      listeners.push(fd);
    }
    for (let i = 0; i < 10; i++) assert.equal(await host.tries(INET, STREAM, "10.2.3.5", 6006), "ok");
    const last = listeners.pop() ?? 0;
    for (const fd of listeners) await c.must("close", fd);
    const fd = await host.socket(INET, STREAM);
    await host.must("connect", fd, "10.2.3.5", 6006);
    await c.must("accept", last);
  }),
);

test("addresses of a running container change, and its wildcard listener goes with them", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start({ ipv4: ["10.2.3.1"] });
    const host = await containers.host();
    const listener = await c.server(INET, STREAM, "0.0.0.0", 6007);
    await reached(host, "10.2.3.1", 6007, c, listener);
    assert.equal(await host.tries(INET, STREAM, "10.2.3.2", 6007), "ECONNREFUSED");
    const spec = { access: "addresses", ipv6: [], rawSockets: false } as const;
    containers.confinement.update(c.id, { ...spec, ipv4: ["10.2.3.1", "10.2.3.2"] });
    await reached(host, "10.2.3.2", 6007, c, listener);
    containers.confinement.update(c.id, { ...spec, ipv4: ["10.2.3.2", "10.2.3.3"] });
    await reached(host, "10.2.3.2", 6007, c, listener);
    await reached(host, "10.2.3.3", 6007, c, listener);
    assert.equal(await host.tries(INET, STREAM, "10.2.3.1", 6007), "ETIMEDOUT");
    assert.equal(await c.ask("bind", await c.socket(INET, STREAM), "10.2.3.1", 6008), "EADDRNOTAVAIL");
    assert.throws(() => containers.create({ ipv4: ["10.2.3.3"] }), /10\.2\.3\.3 is another container's address/);
    containers.create({ ipv4: ["10.2.3.1"] });
  }),
);

test("UDP: any own address can be bound; the wildcard is the first one", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(C);
    const host = await containers.host();
    const sender4 = await host.socket(INET, DGRAM);
    const sender6 = await host.socket(INET6, DGRAM);
    for (const [address, first, sender] of [
      ["0.0.0.0", "10.2.3.1", sender4],
      ["10.2.3.7", "10.2.3.7", sender4],
      ["::", "fd00:2:3::1", sender6],
      ["fd00:2:3::7", "fd00:2:3::7", sender6],
    ] as const) {
      const fd = await c.server(familyOf(address), DGRAM, address, 6009);
      await host.must("send", sender, first, 6009, "hello");
      assert.match(await c.must("receive", fd), /^ok hello /, address);
      await c.must("close", fd);
    }
    const fd = await c.server(INET, DGRAM, "0.0.0.0", 6009);
    await host.must("send", sender4, "10.2.3.2", 6009, "lost");
    assert.equal(await c.ask("receive", fd), "ETIMEDOUT");
  }),
);

test("UDP: a socket on :: with any port sends to both families and hears the answers on all addresses", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(C);
    const host = await containers.host();
    const server4 = await host.server(INET, DGRAM, HOST[0], 6010);
    const server6 = await host.server(INET6, DGRAM, HOST[1], 6010);
    const fd = await c.server(INET6, DGRAM, "::", 0);
    const port = (await c.must("local", fd)).split(" ")[2] ?? "";
    for (const [server, to, from] of [
      [server4, `::ffff:${HOST[0]}`, "10.2.3.1"],
      [server6, HOST[1], "fd00:2:3::1"],
    ] as const) {
      await c.must("send", fd, to, 6010, "question");
      assert.equal(await host.must("receive", server), `ok question ${from} ${port}`);
      await host.must("send", server, from, port, "answer");
      assert.match(await c.must("receive", fd), /^ok answer /);
    }
    for (const own of ["10.2.3.9", "fd00:2:3::9"]) {
      await host.must("send", own.includes(":") ? server6 : server4, own, port, own);
      assert.match(await c.must("receive", fd), new RegExp(`^ok ${own} `));
    }
    await host.must("send", server4, HOST[0], port, "no");
    await host.must("send", server4, "10.9.9.1", port, "no");
    assert.equal(await c.ask("receive", fd), "ETIMEDOUT");
  }),
);

test("TCP: the listeners of one container leave those of others their place, and too many are told of", root, () =>
  withContainers(async (containers) => {
    const greedy = await containers.start({ ipv4: C.ipv4.slice(0, 2) });
    const other = await containers.start(OTHER);
    const host = await containers.host();
    const first = await greedy.server(INET, STREAM, "0.0.0.0", 10_000);
    assert.deepEqual(containers.confinement.overfull(), []);
    // A process has 1024 descriptors.
    for (const begin of [10_001, 10_601]) {
      const more = await containers.enter(greedy.id);
      for (let port = begin; port < begin + 600; port++) await more.server(INET, STREAM, "0.0.0.0", port);
    }
    assert.deepEqual(containers.confinement.overfull(), [greedy.id]);
    const any = await other.server(INET6, STREAM, "::", 10_002);
    for (const address of [...OTHER.ipv4, ...OTHER.ipv6]) await reached(host, address, 10_002, other, any);
    await reached(host, "10.2.3.2", 10_000, greedy, first);
    assert.equal(await host.tries(INET, STREAM, "10.2.3.2", 11_200), "ECONNREFUSED");
    assert.equal(await host.tries(INET, STREAM, "10.2.3.1", 11_200), "ok");
  }),
);

test("TCP: a listener that is closed gives its place back", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start({ ipv4: C.ipv4.slice(0, 2) });
    for (let round = 0; round < 1100; round++) {
      const fd = await c.server(INET, STREAM, "0.0.0.0", 10_000);
      await c.must("close", fd);
    }
    assert.deepEqual(containers.confinement.overfull(), []);
    const last = await c.server(INET, STREAM, "0.0.0.0", 10_000);
    await reached(await containers.host(), C.ipv4[1] ?? "", 10_000, c, last);
  }),
);
