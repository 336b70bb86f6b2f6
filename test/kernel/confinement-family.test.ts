import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../support/gate.ts";
import { enterNetwork, withContainers } from "./containers.ts";
import { DGRAM, INET, INET6, type Probe, RAW, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "ip");
const FOUR = { ipv4: ["10.2.3.1"] };
const SIX = { ipv6: ["fd00:2:3::1"] };
const HOST4 = "192.0.2.1";
const HOST6 = "2001:db8::1";
if (root.skip === false)
  enterNetwork(
    ...["10.2.3.1", "10.2.3.2", "10.2.3.3", HOST4].map((a) => `${a}/32`),
    ...["fd00:2:3::1", "fd00:2:3::2", HOST6].map((a) => `${a}/128`),
  );

const V6ONLY = [41, 26] as const;
const SO_REUSEADDR = [1, 2] as const;
const types = [
  ["TCP", STREAM],
  ["UDP", DGRAM],
] as const;

/** A socket for IPv6 alone on `::`. */
async function serverFor6(probe: Probe, type: number, port: number): Promise<number> {
  const fd = await probe.socket(INET6, type);
  await probe.must("set", fd, ...V6ONLY, 1);
  await probe.must("set", fd, ...SO_REUSEADDR, 1);
  await probe.must("bind", fd, "::", port);
  if (type === STREAM) await probe.must("listen", fd);
  return fd;
}

for (const [name, type] of types) {
  test(`${name}, no IPv6: :: is the IPv4 address, ::1 and any other IPv6 address are not there`, root, () =>
    withContainers(async (containers) => {
      const c = await containers.start(FOUR);
      const other = await containers.start({ ipv4: ["10.2.3.2"] });
      const host = await containers.host();
      // Beside each other at one port: the wildcards of two containers.
      await other.server(INET6, type, "::", 7000);
      const fd = await c.server(INET6, type, "::", 7000);
      assert.equal(await c.must("local", fd), "ok ::ffff:10.2.3.1 7000");
      const client = await host.socket(INET, type);
      await host.must("connect", client, "10.2.3.1", 7000);
      await host.must("write", client, "hello");
      const heard = type === STREAM ? Number((await c.must("accept", fd)).split(" ")[1]) : fd;
      assert.match(await c.must("receive", heard), /^ok hello/);
      for (const address of ["::1", HOST6, "fd00:2:3::1", "2001:db8::2", "ff02::fb"])
        assert.equal(await c.ask("bind", await c.socket(INET6, type), address, 7001), "EADDRNOTAVAIL", address);
      for (const address of ["::ffff:10.2.3.2", `::ffff:${HOST4}`, "::ffff:127.0.0.2"])
        assert.equal(await c.ask("bind", await c.socket(INET6, type), address, 7001), "EADDRNOTAVAIL", address);
      for (const own of ["::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:10.2.3.1"]) {
        const one = await c.server(INET6, type, own, 7001);
        assert.equal(await c.must("local", one), "ok ::ffff:10.2.3.1 7001", own);
        await c.must("close", one);
      }
    }),
  );

  test(`${name}, no IPv6: mapped addresses are reached from the own one, real ones are unreachable`, root, () =>
    withContainers(async (containers) => {
      const c = await containers.start(FOUR);
      const host = await containers.host();
      const server = await host.server(INET, type, HOST4, 7002);
      await host.server(INET6, type, HOST6, 7002);
      await host.server(INET6, type, "::1", 7002);
      for (const address of [HOST6, "::1", "::", "fd00:2:3::1", "2001:db8::2"])
        assert.equal(await c.tries(INET6, type, address, 7002), "ENETUNREACH", address);
      const bound = await c.server(INET6, type === STREAM ? STREAM : DGRAM, "::", 7003);
      if (type === DGRAM) {
        for (const address of [HOST6, "::1"])
          assert.equal(await c.ask("send", bound, address, 7002, "x"), "ENETUNREACH", address);
        await c.must("send", bound, `::ffff:${HOST4}`, 7002, "x");
        assert.match(await host.must("receive", server), /^ok x 10\.2\.3\.1 7003/);
      }
      const fd = await c.socket(INET6, type);
      await c.must("connect", fd, `::ffff:${HOST4}`, 7002);
      await c.must("write", fd, "x");
      const seen = await host.must(type === STREAM ? "accept" : "receive", server);
      assert.match(seen, / 10\.2\.3\.1 /);
      assert.equal(await c.tries(INET6, type, "::ffff:127.0.0.53", 7002), "EADDRNOTAVAIL");
    }),
  );

  test(`${name}, no IPv6: sockets for each family at one port, as nginx has them`, root, () =>
    withContainers(async (containers) => {
      for (const order of [
        [INET, INET6],
        [INET6, INET],
      ]) {
        const [a, b] = [await containers.start(FOUR), await containers.start({ ipv4: ["10.2.3.2"] })];
        for (const c of [a, b])
          for (const family of order) {
            if (family === INET) await c.server(INET, type, "0.0.0.0", 7004);
            else await serverFor6(c, type, 7004);
          }
        await Promise.all([a.stop(), b.stop()]);
        for (const { id } of [a, b]) await containers.confinement.remove(id);
      }
    }),
  );

  test(`${name}, no IPv4: 0.0.0.0 can be bound and hears nothing, real addresses are unreachable`, root, () =>
    withContainers(async (containers) => {
      const c = await containers.start(SIX);
      const other = await containers.start({ ipv6: ["fd00:2:3::2"] });
      const host = await containers.host();
      await host.server(INET, type, HOST4, 7005);
      await host.server(INET, type, "127.0.0.1", 7005);
      const fd = await c.server(INET, type, "0.0.0.0", 7005);
      await other.server(INET, type, "0.0.0.0", 7005);
      const local = (await c.must("local", fd)).split(" ")[1] ?? "";
      assert.match(local, /^127\.(12[89]|1[3-9]\d|2\d\d)\./);
      if (type === STREAM) assert.equal(await host.tries(INET, STREAM, local, 7005), "ETIMEDOUT");
      else {
        await host.must("send", await host.socket(INET, DGRAM), local, 7005, "no");
        assert.equal(await c.ask("receive", fd), "ETIMEDOUT");
        assert.equal(await c.ask("send", fd, HOST4, 7005, "no"), "ENETUNREACH");
      }
      for (const address of ["127.0.0.1", "127.0.0.53", local, "10.2.3.1", HOST4])
        assert.equal(await c.ask("bind", await c.socket(INET, type), address, 7006), "EADDRNOTAVAIL", address);
      for (const address of ["127.0.0.1", "0.0.0.0", HOST4, local, "10.2.3.1"]) {
        assert.equal(await c.tries(INET, type, address, 7005), "ENETUNREACH", address);
        assert.equal(await c.tries(INET6, type, `::ffff:${address}`, 7005), "ENETUNREACH", address);
      }
      const both = await c.server(INET6, type, "::", 7007);
      assert.equal(await c.must("local", both), "ok fd00:2:3::1 7007");
      await host.must("connect", await host.socket(INET6, type), "fd00:2:3::1", 7007);
    }),
  );
}

test("TCP, no IPv6: a listener for IPv6 alone is given what no other one takes", root, () =>
  withContainers(async (containers) => {
    for (const ipv4 of [["10.2.3.1"], ["10.2.3.2", "10.2.3.3"]]) {
      const c = await containers.start({ ipv4 });
      const host = await containers.host();
      const reached = async (address: string, listener: number): Promise<void> => {
        const fd = await host.socket(INET, STREAM);
        assert.equal(await host.ask("connect", fd, address, 7008), "ok", address);
        const accepted = (await c.must("accept", listener)).split(" ")[1] ?? "";
        assert.match(await c.must("local", accepted), new RegExp(`^ok (::ffff:)?${address.replaceAll(".", "\\.")} `));
        await c.must("close", accepted);
      };
      const six = await serverFor6(c, STREAM, 7008);
      for (const address of ipv4) await reached(address, six);
      assert.equal(await host.tries(INET6, STREAM, "::1", 7008), "ECONNREFUSED");
      const four = await c.socket(INET, STREAM);
      await c.must("set", four, ...SO_REUSEADDR, 1);
      await c.must("bind", four, "0.0.0.0", 7008);
      await c.must("listen", four);
      for (const address of ipv4) await reached(address, four);
      await c.must("close", four);
      for (const address of ipv4) await reached(address, six);
      await c.must("close", six);
      for (const address of ipv4) assert.equal(await host.tries(INET, STREAM, address, 7008), "ECONNREFUSED");
    }
  }),
);

test("an option of a family is noted whatever its length, and read back by the kernel alone", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(FOUR);
    const fd = await c.socket(INET6, STREAM);
    await c.must("set", fd, ...V6ONLY, 1);
    await c.must("set", fd, ...V6ONLY, 0);
    await c.must("bind", fd, "::", 7009);
    assert.equal(await c.must("local", fd), "ok ::ffff:10.2.3.1 7009");
    await c
      .must("setlarge", await c.socket(INET, DGRAM), 8192)
      .catch((error: Error) => assert.match(error.message, /ENOBUFS|EINVAL|ENODEV|EADDRNOTAVAIL/));
  }),
);

test("raw sockets are of families that the container has addresses of", root, () =>
  withContainers(async (containers) => {
    const four = await containers.start({ ...FOUR, rawSockets: true });
    const six = await containers.start({ ...SIX, rawSockets: true });
    await four.socket(INET, RAW, 1);
    assert.equal(await four.ask("socket", INET6, RAW, 58), "EAFNOSUPPORT");
    await six.socket(INET6, RAW, 58);
    assert.equal(await six.ask("socket", INET, RAW, 1), "EAFNOSUPPORT");
  }),
);
