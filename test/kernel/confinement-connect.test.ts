import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { needs } from "../support/gate.ts";
import { type Containers, enterNetwork, withContainers } from "./containers.ts";
import { DGRAM, INET, INET6, type Probe, RAW, STREAM } from "./probe.ts";

const root = needs("root", "cgroup2", "cc", "ip");
const A = { ipv4: ["10.2.3.1"], ipv6: ["fd00:2:3::1"] };
const B = { ipv4: ["10.2.3.2"], ipv6: ["fd00:2:3::2"] };
const HOST4 = "192.0.2.1";
const HOST6 = "2001:db8::1";
if (root.skip === false)
  enterNetwork(
    ...[...A.ipv4, ...B.ipv4, HOST4].map((a) => `${a}/32`),
    ...[...A.ipv6, ...B.ipv6, HOST6].map((a) => `${a}/128`),
  );

const IP_BIND_ADDRESS_NO_PORT = [0, 24, 1] as const;

/** Address of whoever connects, as a server outside of all containers sees it. */
async function seenFrom(
  containers: Containers,
  client: Probe,
  family: number,
  type: number,
  server: string,
): Promise<string> {
  const host = await containers.host();
  const port = 5000;
  const destination = server.replace("::ffff:", "");
  const listener = await host.server(destination.includes(":") ? INET6 : INET, type, destination, port);
  const fd = await client.socket(family, type);
  await client.must("connect", fd, server, port);
  await client.must("write", fd, "x");
  const answer = type === STREAM ? await host.must("accept", listener) : await host.must("receive", listener);
  await host.stop();
  await client.must("close", fd);
  return answer.split(" ")[2] ?? "";
}

for (const [name, type] of [
  ["TCP", STREAM],
  ["UDP", DGRAM],
] as const) {
  test(`${name}: connections come from the own address`, root, () =>
    withContainers(async (containers) => {
      const c = await containers.start(A);
      assert.equal(await seenFrom(containers, c, INET, type, HOST4), "10.2.3.1");
      assert.equal(await seenFrom(containers, c, INET6, type, HOST6), "fd00:2:3::1");
      assert.equal(await seenFrom(containers, c, INET6, type, `::ffff:${HOST4}`), "10.2.3.1");
    }),
  );
}

test("loopback is the container's own, never the host's", root, () =>
  withContainers(async (containers) => {
    const host = await containers.host();
    for (const address of ["127.0.0.1", "127.0.0.53"]) {
      await host.server(INET, STREAM, address, 5001);
      await host.server(INET, DGRAM, address, 5001);
    }
    await host.server(INET6, STREAM, "::1", 5001);
    const c = await containers.start(A);
    for (const own of ["127.0.0.1", "0.0.0.0"])
      assert.equal(await c.tries(INET, STREAM, own, 5001), "ECONNREFUSED", own);
    for (const own of ["::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
      assert.equal(await c.tries(INET6, STREAM, own, 5001), "ECONNREFUSED", own);
    for (const type of [STREAM, DGRAM]) {
      for (const other of ["127.0.0.2", "127.0.0.53", "127.255.255.254"]) {
        assert.equal(await c.tries(INET, type, other, 5001), "EADDRNOTAVAIL", other);
        assert.equal(await c.tries(INET6, type, `::ffff:${other}`, 5001), "EADDRNOTAVAIL", other);
      }
    }
    const own = await c.server(INET, STREAM, "127.0.0.1", 5002);
    const own6 = await c.server(INET6, STREAM, "::1", 5002);
    assert.equal(await c.tries(INET, STREAM, "127.0.0.1", 5002), "ok");
    assert.match(await c.must("accept", own), / 10\.2\.3\.1 /);
    assert.equal(await c.tries(INET6, STREAM, "::1", 5002), "ok");
    assert.match(await c.must("accept", own6), / fd00:2:3::1 /);
  }),
);

test("UDP: datagrams come from the own address, and loopback is the container's own", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(A);
    const host = await containers.host();
    const server4 = await host.server(INET, DGRAM, HOST4, 5003);
    const server6 = await host.server(INET6, DGRAM, HOST6, 5003);
    await host.server(INET, DGRAM, "127.0.0.53", 5003);
    const loop = await host.server(INET, DGRAM, "127.0.0.1", 5003);
    const [s4, s6] = [await c.socket(INET, DGRAM), await c.socket(INET6, DGRAM)];
    await c.must("send", s4, HOST4, 5003, "a");
    assert.match(await host.must("receive", server4), /^ok a 10\.2\.3\.1 /);
    await c.must("send", s6, HOST6, 5003, "b");
    assert.match(await host.must("receive", server6), /^ok b fd00:2:3::1 /);
    await c.must("send", s6, `::ffff:${HOST4}`, 5003, "c");
    assert.match(await host.must("receive", server4), /^ok c 10\.2\.3\.1 /);
    assert.equal(await c.ask("send", s4, "127.0.0.53", 5003, "x"), "EADDRNOTAVAIL");
    assert.equal(await c.ask("send", s6, "::ffff:127.0.0.53", 5003, "x"), "EADDRNOTAVAIL");
    const own = await c.server(INET, DGRAM, "0.0.0.0", 5003);
    await c.must("send", s4, "127.0.0.1", 5003, "d");
    assert.match(await c.must("receive", own), /^ok d 10\.2\.3\.1 /);
    assert.equal(await host.ask("receive", loop), "ETIMEDOUT");
    // It has its port, but no address: an address cannot be given any more.
    assert.equal(await c.ask("connect", s4, HOST4, 5003), "EADDRNOTAVAIL");
  }),
);

test("a control message cannot name another's source", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(A);
    containers.create(B);
    const host = await containers.host();
    const server4 = await host.server(INET, DGRAM, HOST4, 5004);
    const server6 = await host.server(INET6, DGRAM, HOST6, 5004);
    const [s4, s6, connected] = [
      await c.socket(INET, DGRAM),
      await c.socket(INET6, DGRAM),
      await c.socket(INET, DGRAM),
    ];
    await c.must("connect", connected, HOST4, 5004);
    for (const spoofed of ["10.2.3.2", HOST4, "127.0.0.2"]) {
      assert.equal(await c.ask("sendfrom", s4, spoofed, HOST4, 5004), "EADDRNOTAVAIL", spoofed);
      assert.equal(await c.ask("sendfrom", connected, spoofed), "EADDRNOTAVAIL", spoofed);
    }
    for (const spoofed of ["fd00:2:3::2", HOST6])
      assert.equal(await c.ask("sendfrom", s6, spoofed, HOST6, 5004), "EADDRNOTAVAIL", spoofed);
    assert.notEqual(await c.ask("sendfrom", s6, "::ffff:10.2.3.1", HOST6, 5004), "ok");
    assert.equal(await host.ask("receive", server4), "ETIMEDOUT");
    assert.equal(await host.ask("receive", server6), "ETIMEDOUT");
    await c.must("sendfrom", s4, "10.2.3.1", HOST4, 5004);
    assert.match(await host.must("receive", server4), / 10\.2\.3\.1 /);
    await c.must("sendfrom", connected, "10.2.3.1");
    assert.match(await host.must("receive", server4), / 10\.2\.3\.1 /);
    await c.must("sendfrom", s6, "fd00:2:3::1", HOST6, 5004);
    assert.match(await host.must("receive", server6), / fd00:2:3::1 /);
  }),
);

test("a socket of one family does not lend its address to the other", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(A);
    containers.create(B);
    const host = await containers.host();
    await host.server(INET, DGRAM, HOST4, 5005);
    const bound6 = await c.server(INET6, DGRAM, "fd00:2:3::1", 5005);
    assert.equal(await c.ask("connect", bound6, `::ffff:${HOST4}`, 5005), "EAFNOSUPPORT");
    assert.notEqual(await c.ask("send", bound6, `::ffff:${HOST4}`, 5005, "x"), "ok");
    const bound4 = await c.server(INET6, DGRAM, "::ffff:10.2.3.1", 5006);
    assert.equal(await c.ask("connect", bound4, HOST6, 5005), "EAFNOSUPPORT");
    assert.notEqual(await c.ask("send", bound4, HOST6, 5005, "x"), "ok");
  }),
);

test("getaddrinfo finds the addresses of both families usable", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(A);
    assert.match(await c.must("resolve", "localhost"), /^ok( ::1 0)?.* 127\.0\.0\.1 0/);
    // As it tries one socket for both: connected to IPv6, taken back, to IPv4.
    const fd = await c.socket(INET6, DGRAM);
    await c.must("connect", fd, HOST6, 53);
    await c.must("connect", fd, "unspec", 0);
    assert.equal(await c.ask("connect", fd, `::ffff:${HOST4}`, 53), "EAFNOSUPPORT");
    const inet = await c.socket(INET, DGRAM);
    await c.must("connect", inet, HOST4, 53);
    await c.must("connect", inet, "unspec", 0);
    await c.must("connect", inet, HOST4, 54);
    assert.match(await c.must("local", inet), / 10\.2\.3\.1 /);
  }),
);

test("a source without a port is kept", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start({ ipv4: [...A.ipv4, ...B.ipv4], ipv6: [...A.ipv6, ...B.ipv6] });
    const host = await containers.host();
    for (const [family, server, second] of [
      [INET, HOST4, "10.2.3.2"],
      [INET6, HOST6, "fd00:2:3::2"],
    ] as const) {
      const listener = await host.server(family, STREAM, server, 5007);
      const fd = await c.socket(family, STREAM);
      await c.must("set", fd, ...IP_BIND_ADDRESS_NO_PORT);
      await c.must("bind", fd, second, 0);
      await c.must("connect", fd, server, 5007);
      assert.equal((await host.must("accept", listener)).split(" ")[2], second);
    }
  }),
);

test("multicast and broadcast can be sent to, from the own address, and do not come in", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(A);
    const host = await containers.host();
    const group = await host.socket(INET, DGRAM);
    await host.must("bind", group, "224.0.0.251", 5353);
    await host.must("join", group, "224.0.0.251", "127.0.0.1");
    const fd = await c.socket(INET, DGRAM);
    await c.must("join", fd, "224.0.0.251", "127.0.0.1");
    const IP_MULTICAST_IF = [0, 32] as const;
    // The loopback interface, by an address of it in network byte order.
    await c.must("set", fd, ...IP_MULTICAST_IF, 0x0100007f);
    await c.must("send", fd, "224.0.0.251", 5353, "hello");
    assert.match(await host.must("receive", group), /^ok hello 10\.2\.3\.1 /);
    const SO_BROADCAST = [1, 6, 1] as const;
    const wide = await c.socket(INET, DGRAM);
    await c.must("set", wide, ...SO_BROADCAST);
    assert.notEqual(await c.ask("connect", wide, "255.255.255.255", 5353), "EADDRNOTAVAIL");
    const port = (await c.must("local", fd)).split(" ")[2] ?? "";
    const sender = await host.socket(INET, DGRAM);
    await host.must("set", sender, ...IP_MULTICAST_IF, 0x0100007f);
    await host.must("send", sender, "224.0.0.251", port, "inward");
    assert.equal(await c.ask("receive", fd), "ETIMEDOUT");
    await host.must("send", sender, "10.2.3.1", port, "direct");
    assert.match(await c.must("receive", fd), /^ok direct /);
  }),
);

test("a listener or a datagram socket without an address hears nothing but what is the container's own", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start(A);
    containers.create(B);
    const host = await containers.host();
    const listener = await c.socket(INET, STREAM);
    await c.must("listen", listener);
    const [, shown, port = ""] = (await c.must("local", listener)).split(" ");
    assert.equal(shown, "0.0.0.0");
    for (const other of [HOST4, "10.2.3.2", "127.0.0.1"])
      assert.equal(await host.tries(INET, STREAM, other, Number(port)), "ETIMEDOUT", other);
    assert.equal(await host.tries(INET, STREAM, "10.2.3.1", Number(port)), "ok");
    const datagrams = await c.socket(INET, DGRAM);
    await c.must("send", datagrams, HOST4, 9, "x");
    const own = (await c.must("local", datagrams)).split(" ")[2] ?? "";
    const sender = await host.socket(INET, DGRAM);
    await host.must("send", sender, HOST4, own, "no");
    await host.must("send", sender, "127.0.0.1", own, "no");
    await host.must("send", sender, "10.2.3.1", own, "yes");
    assert.match(await c.must("receive", datagrams), /^ok yes /);
  }),
);

test("a socket passed to another container, or out of all, stays confined", root, () =>
  withContainers(async (containers) => {
    const a = await containers.start(A);
    const b = containers.create(B);
    const fd = await a.socket(INET, STREAM);
    const datagrams = await a.socket(INET, DGRAM);
    // The process itself moves, with its sockets.
    writeFileSync(`${containers.confinement.payloadPath(b)}/cgroup.procs`, String(a.pid));
    await a.must("bind", fd, "0.0.0.0", 5008);
    await a.must("listen", fd);
    assert.match(await a.must("local", fd), / 10\.2\.3\.2 /);
    const host = await containers.host();
    // Its packets are still those of the first container, which does not have this address.
    assert.equal(await host.tries(INET, STREAM, "10.2.3.2", 5008), "ETIMEDOUT");
    writeFileSync(`${containers.confinement.cgroupRoot}/cgroup.procs`, String(a.pid));
    assert.equal(await a.ask("send", datagrams, HOST4, 9, "x"), "EPERM");
    assert.equal(await a.ask("bind", datagrams, HOST4, 5009), "EPERM");
  }),
);

test("raw sockets hear nothing but what is addressed to the container", root, () =>
  withContainers(async (containers) => {
    const c = await containers.start({ ...A, rawSockets: true });
    const host = await containers.host();
    const sniffer = await c.socket(INET, RAW, 17);
    const sender = await host.socket(INET, DGRAM);
    await host.server(INET, DGRAM, HOST4, 5010);
    await host.must("send", sender, HOST4, 5010, "secret");
    assert.equal(await c.ask("receive", sniffer), "ETIMEDOUT");
    await host.must("send", sender, "10.2.3.1", 5010, "own");
    assert.match(await c.must("receive", sniffer), /^ok/);
  }),
);
