import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCgroup, removeCgroup } from "../../src/ffi/linux/cgroup.ts";
import { needs } from "../support/gate.ts";
import { enterNetwork, withContainers } from "./containers.ts";
import { DGRAM, INET, INET6, Probe, RAW, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "ip");
if (root.skip === false)
  enterNetwork("10.2.3.1/32", "10.2.3.2/32", "10.2.3.3/32", "fd00:2:3::1/128", "fd00:2:3::2/128", "192.0.2.1/32");

const types = [
  ["TCP", STREAM],
  ["UDP", DGRAM],
] as const;

for (const [name, type] of types) {
  test(`${name}, IPv4: the wildcard and 127.0.0.1 are the own address, all others are not available`, root, () =>
    withContainers(async (containers) => {
      const c = await containers.start({ ipv4: ["10.2.3.1"] });
      containers.create({ ipv4: ["10.2.3.2"] });
      const bound = async (address: string): Promise<string> => {
        const fd = await c.socket(INET, type);
        const answer = await c.ask("bind", fd, address, 4000);
        const local = answer === "ok" ? await c.must("local", fd) : answer;
        await c.must("close", fd);
        return local;
      };
      for (const own of ["0.0.0.0", "127.0.0.1", "10.2.3.1"]) assert.equal(await bound(own), "ok 10.2.3.1 4000", own);
      for (const other of [
        "10.2.3.2",
        "192.0.2.1",
        "127.0.0.2",
        "127.0.0.53",
        "224.0.0.251",
        "255.255.255.255",
        "8.8.8.8",
      ])
        assert.equal(await bound(other), "EADDRNOTAVAIL", other);
    }),
  );

  test(`${name}, IPv6: the wildcard and ::1 are the own address, mapped ones are IPv4`, root, () =>
    withContainers(async (containers) => {
      const c = await containers.start({ ipv4: ["10.2.3.1"], ipv6: ["fd00:2:3::1"] });
      containers.create({ ipv4: ["10.2.3.2"], ipv6: ["fd00:2:3::2"] });
      const bound = async (address: string): Promise<string> => {
        const fd = await c.socket(INET6, type);
        await c.must("set", fd, 41, 26, address.startsWith("::ffff") ? 0 : 1);
        const answer = await c.ask("bind", fd, address, 4000);
        const local = answer === "ok" ? await c.must("local", fd) : answer;
        await c.must("close", fd);
        return local;
      };
      for (const own of ["::", "::1", "fd00:2:3::1"]) assert.equal(await bound(own), "ok fd00:2:3::1 4000", own);
      for (const own of ["::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:10.2.3.1"])
        assert.equal(await bound(own), "ok ::ffff:10.2.3.1 4000", own);
      for (const other of ["fd00:2:3::2", "ff02::fb", "::ffff:10.2.3.2", "::ffff:127.0.0.2", "2001:db8::1"])
        assert.equal(await bound(other), "EADDRNOTAVAIL", other);
    }),
  );

  test(`${name}: two containers and the host have the same port at once, and hear their own`, root, () =>
    withContainers(async (containers) => {
      const a = await containers.start({ ipv4: ["10.2.3.1"], ipv6: ["fd00:2:3::1"] });
      const b = await containers.start({ ipv4: ["10.2.3.2"], ipv6: ["fd00:2:3::2"] });
      const host = await containers.host();
      await host.server(INET, type, "192.0.2.1", 4000);
      const servers = [
        [a, await a.server(INET, type, "0.0.0.0", 4000), INET, "10.2.3.1"],
        [b, await b.server(INET, type, "0.0.0.0", 4000), INET, "10.2.3.2"],
      ] as const;
      for (const [server, fd, family, address] of servers) {
        const client = await host.socket(family, type);
        await host.must("connect", client, address, 4000);
        await host.must("write", client, `to-${address}`);
        const heard = type === STREAM ? Number((await server.must("accept", fd)).split(" ")[1]) : fd;
        assert.match(await server.must("receive", heard), new RegExp(`^ok to-${address}`));
      }
    }),
  );
}

test("a container without addresses has no sockets, of one family it has both", root, () =>
  withContainers(async (containers) => {
    const only4 = await containers.start({ ipv4: ["10.2.3.1"] });
    const only6 = await containers.start({ ipv6: ["fd00:2:3::1"] });
    const none = await containers.start({ access: "none", rawSockets: true });
    for (const [type, icmp, icmp6] of [
      [STREAM, 0, 0],
      [DGRAM, 0, 0],
      [RAW, 1, 58],
    ] as const) {
      assert.equal(await none.ask("socket", INET, type, icmp), "EAFNOSUPPORT");
      assert.equal(await none.ask("socket", INET6, type, icmp6), "EAFNOSUPPORT");
      if (type === RAW) continue;
      for (const c of [only4, only6]) for (const family of [INET, INET6]) await c.socket(family, type);
    }
  }),
);

test("raw sockets are refused unless allowed, ping sockets and other protocols always", root, () =>
  withContainers(async (containers) => {
    const SO_MARK = [1, 36] as const;
    const IPPROTO = { icmp: 1, icmp6: 58, mptcp: 262, udplite: 136, sctp: 132 };
    const plain = await containers.start({ ipv4: ["10.2.3.1"], ipv6: ["fd00:2:3::1"] });
    const raw = await containers.start({ ipv4: ["10.2.3.2"], ipv6: ["fd00:2:3::2"], rawSockets: true });
    assert.equal(await plain.ask("socket", INET, RAW, IPPROTO.icmp), "EPERM");
    assert.equal(await plain.ask("socket", INET6, RAW, IPPROTO.icmp6), "EPERM");
    for (const probe of [plain, raw]) {
      assert.equal(await probe.ask("socket", INET, DGRAM, IPPROTO.icmp), "EACCES");
      assert.equal(await probe.ask("socket", INET, STREAM, IPPROTO.mptcp), "EPROTONOSUPPORT");
      assert.match(await probe.ask("socket", INET, DGRAM, IPPROTO.udplite), /^EPROTONOSUPPORT$/);
      assert.match(await probe.ask("socket", INET, STREAM, IPPROTO.sctp), /^E(PROTONOSUPPORT|SOCKTNOSUPPORT)$/);
    }
    for (const [family, protocol] of [
      [INET, IPPROTO.icmp],
      [INET6, IPPROTO.icmp6],
    ] as const) {
      const fd = await raw.socket(family, RAW, protocol);
      assert.equal(await raw.must("get", fd, ...SO_MARK), `ok ${Number.parseInt(raw.id.slice(0, 8), 16) | 0}`);
      const cooked = await raw.socket(family, DGRAM);
      assert.equal(await raw.must("get", cooked, ...SO_MARK), "ok 0");
    }
  }),
);

test("the host's network is not confined, but raw sockets have to be allowed", root, () =>
  withContainers(async (containers) => {
    const plain = await containers.start({ access: "host" });
    const raw = await containers.start({ access: "host", rawSockets: true });
    for (const address of ["0.0.0.0", "127.0.0.1", "127.0.0.53", "192.0.2.1"])
      await plain.server(INET, STREAM, address, 4010).then((fd) => plain.must("close", fd));
    await plain.server(INET6, STREAM, "::", 4001);
    const host = await containers.host();
    await host.server(INET, STREAM, "127.0.0.1", 4002);
    assert.equal(await plain.tries(INET, STREAM, "127.0.0.1", 4002), "ok");
    assert.equal(await host.tries(INET, STREAM, "192.0.2.1", 4001), "ok");
    const heard = await plain.server(INET, DGRAM, "0.0.0.0", 4003);
    await host.must("send", await host.socket(INET, DGRAM), "127.0.0.1", 4003, "hello");
    assert.match(await plain.must("receive", heard), /^ok hello 127\.0\.0\.1 /);
    assert.equal(await plain.ask("socket", INET, RAW, 1), "EPERM");
    assert.equal(await plain.ask("socket", INET, DGRAM, 1), "EACCES");
    assert.equal(await raw.must("get", await raw.socket(INET, RAW, 1), 1, 36), "ok 0");
  }),
);

test("a cgroup below the parent that nobody registered can do nothing", root, () =>
  withContainers(async (containers) => {
    const { confinement, parent } = containers;
    const id = containers.create({ ipv4: ["10.2.3.1"] });
    const stranger = `${confinement.cgroupRoot}/${parent}/stranger`;
    makeCgroup(stranger);
    const probe = containers.track(await Probe.start(stranger));
    const above = containers.track(await Probe.start(`${confinement.cgroupRoot}/${parent}`));
    for (const p of [probe, above]) {
      assert.equal(await p.ask("socket", INET, STREAM, 0), "EPERM");
      assert.equal(await p.ask("socket", INET6, DGRAM, 0), "EPERM");
      await p.stop();
    }
    assert.equal(removeCgroup(stranger), true);
    assert.equal(confinement.exists(id), true);
  }),
);
