import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, describe, test } from "node:test";
import { deleteConnections } from "../../../src/ffi/linux/conntrack.ts";
import { openDescriptors } from "../../../src/ffi/linux/fd.ts";
import { openNetfilter } from "../../../src/ffi/linux/netlink/socket.ts";
import { countRules, openNft } from "../../../src/ffi/linux/nftables.ts";
import { destroyConnected, openSockDiag } from "../../../src/ffi/linux/sock-diag.ts";
import { ip } from "../../kernel/containers.ts";
import { before, needs } from "../../support/gate.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";

describe("connections that the kernel tracks, in a network namespace", needs("root", "ip", "libnftables"), () => {
  const sockets: Socket[] = [];

  before(() => {
    enterNetworkNamespace();
    ip("link", "set", "lo", "up");
    for (const address of ["10.2.3.1/32", "10.2.3.2/32"]) ip("address", "add", address, "dev", "lo");
    for (const address of ["fd00::1/128", "fd00::2/128"]) ip("address", "add", address, "dev", "lo", "nodad");
    using nft = openNft();
    // Connections are tracked where a rule asks for their state.
    nft.run("add table inet t; add chain inet t c { type filter hook output priority 0; }");
    nft.run("add rule inet t c ct state established accept; add rule inet t c udp dport 9 drop");
  });

  after(() => {
    for (const socket of sockets) socket.close();
  });

  /** Sends a datagram from one address to the other. */
  async function send(from: string, to: string): Promise<void> {
    const [sender, receiver] = [from, to].map((address) => {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      sockets.push(socket);
      return socket;
    });
    assert(sender && receiver);
    receiver.bind(0, to);
    await once(receiver, "listening");
    sender.bind(0, from);
    await once(sender, "listening");
    sender.send("?", receiver.address().port, to);
    await once(receiver, "message");
  }

  test("those from and to an address are forgotten, and no others", async () => {
    await send("10.2.3.1", "10.2.3.2");
    await send("10.2.3.2", "10.2.3.1");
    await send("10.2.3.2", "10.2.3.2");
    await send("fd00::1", "fd00::2");
    using socket = openNetfilter();
    assert.equal(deleteConnections(socket, "10.2.3.1"), 2);
    assert.equal(deleteConnections(socket, "10.2.3.1"), 0);
    assert.equal(deleteConnections(socket, "10.2.3.2"), 1);
    assert.equal(deleteConnections(socket, "fd00::2"), 1);
    assert.equal(deleteConnections(socket, "fd00::1"), 0);
  });

  test("so are they where there are many", async () => {
    const sender = createSocket("udp4");
    sockets.push(sender);
    sender.bind(0, "10.2.3.1");
    await once(sender, "listening");
    const count = 600;
    for (let index = 0; index < count; index++)
      await new Promise<void>((sent, failed) => {
        sender.send("?", 20_000 + index, "10.2.3.2", (error) => (error ? failed(error) : sent()));
      });
    await send("10.2.3.2", "10.2.3.2");
    using socket = openNetfilter();
    assert.equal(deleteConnections(socket, "10.2.3.1"), count);
    assert.equal(deleteConnections(socket, "10.2.3.2"), 1);
  });

  test("connected sockets of an address are ended, and no others", async () => {
    for (const datagrams of sockets.splice(0)) datagrams.close();
    const one = createServer((connection) => connection.on("error", () => {})).listen(4000, "10.2.3.1");
    const other = createServer().listen(4000, "10.2.3.2");
    await Promise.all([once(one, "listening"), once(other, "listening")]);
    const client = connect({ port: 4000, host: "10.2.3.1", localAddress: "10.2.3.2" });
    await once(client, "connect");
    using socket = openSockDiag();
    const ended = once(client, "error");
    assert(destroyConnected(socket, ["10.2.3.1", "fd00::9"]) >= 1);
    const [error] = await ended;
    assert.match(String(error), /ECONNRESET|ECONNABORTED/);
    assert.equal(destroyConnected(socket, ["10.2.3.1"]), 0);
    for (const host of ["10.2.3.1", "10.2.3.2"]) {
      const again = connect({ port: 4000, host });
      await once(again, "connect");
      again.destroy();
    }
    // A socket of IPv6 that has an address of IPv4.
    const dual = createServer((connection) => connection.on("error", () => {})).listen(4001, "::");
    await once(dual, "listening");
    const mapped = connect({ port: 4001, host: "10.2.3.1", localAddress: "10.2.3.2" });
    await once(mapped, "connect");
    const reset = once(mapped, "error");
    assert(destroyConnected(socket, ["10.2.3.1"]) >= 1);
    await reset;
    for (const server of [dual, other, one]) server.close();
  });

  test("a table's rules are counted; of a table that is not there, there are none", () => {
    using socket = openNetfilter();
    assert.equal(countRules(socket, "t"), 2);
    assert.equal(countRules(socket, "nosuch"), 0);
  });

  test("no descriptor is left open", () => {
    assert.deepEqual(openDescriptors(), []);
  });
});
