/** A container cannot fill the kernel's table of connections, which is one for all. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { test } from "node:test";
import { deleteConnections } from "../../src/ffi/linux/conntrack.ts";
import { openNetfilter } from "../../src/ffi/linux/netlink/socket.ts";
import { openNft } from "../../src/ffi/linux/nftables.ts";
import { changeElements } from "../../src/ffi/linux/set-elements.ts";
import { encodeChange } from "../../src/kleene/host/linux/element-bytes.ts";
import { frameText, stepsOf } from "../../src/kleene/host/linux/ruleset.ts";
import type { PolicyNetwork } from "../../src/kleene/network/policy.ts";
import { before, needs } from "../support/gate.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";

const gate = needs("root", "libnftables", "ip", "nft");
const LIMIT = 320;
const GATEWAY = "10.9.0.254";

const network: PolicyNetwork = {
  id: "0".repeat(12),
  name: "net",
  interface: "kleene0",
  exclusive: true,
  subnet: "10.9.0.0/24",
  subnet6: "",
  gateway: "",
  gateway6: "",
  nat: "",
  icc: false,
  internal: false,
  log: false,
};
const endpoint = { containerId: "c".repeat(12), containerName: "one", network, ipv6: "", rawSockets: false };

before(() => {
  enterNetworkNamespace();
  const ip = (...args: string[]) => execFileSync("ip", args);
  ip("link", "set", "lo", "up");
  for (const address of ["10.9.0.1", "10.9.0.2", "10.8.0.1", GATEWAY]) ip("address", "add", address, "dev", "lo");
  using nft = openNft();
  nft.run(
    `${frameText("crowd", LIMIT)}add element inet crowd networks4 { 10.9.0.0/24 }\n` +
      `add element inet crowd gateways4 { 10.9.0.0/24 . ${GATEWAY} }\n`,
  );
});

async function socketAt(address: string): Promise<Socket> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  return socket;
}

const send = (socket: Socket, port: number): Promise<string> =>
  new Promise((resolve) =>
    socket.send("x", port, GATEWAY, (error) => resolve((error as NodeJS.ErrnoException | null)?.code ?? "sent")),
  );

/** How many of so many new connections could begin, and how the last one went. */
async function begun(socket: Socket, count: number): Promise<[number, string]> {
  let sent = 0;
  let last = "";
  for (let port = 1; port <= count; port += 1) {
    last = await send(socket, port);
    if (last === "sent") sent += 1;
  }
  return [sent, last];
}

/** What klee does when a container stops: its address is somebody else's next. */
async function forgets(crowd: Socket): Promise<void> {
  using socket = openNetfilter();
  assert.equal(await send(crowd, 60_000), "EPERM");
  const remove = { endpoints: [{ ...endpoint, ipv4: "10.9.0.1" }] };
  for (const { verb, elements } of stepsOf({ remove })) changeElements(socket, "crowd", encodeChange(verb, elements));
  // Else one in 16 is counted among those that are left.
  deleteConnections(socket, "10.9.0.1");
  assert.equal(await send(crowd, 60_001), "sent");
}

test("one address begins about as many as it may have; what it has goes on, and so do others", gate, async () => {
  const [crowd, other, host] = await Promise.all(["10.9.0.1", "10.9.0.2", GATEWAY].map(socketAt));
  assert.ok(crowd && other && host);
  try {
    const [sent, last] = await begun(crowd, 2000);
    assert.equal(last, "EPERM");
    // One in 16 is counted: the sum of 21 waits for one of those, in the mean 336, with a deviation of 71.
    assert.ok(sent > 50 && sent < 800, `${sent} connections`);
    assert.equal(await send(crowd, 1), "sent", "a connection that it has");
    assert.deepEqual(await begun(other, 20), [20, "sent"], "another container");
    await forgets(crowd);
    assert.deepEqual(await begun(host, 1000), [1000, "sent"], "the host, by its own address there");
  } finally {
    for (const socket of [crowd, other, host]) socket.close();
  }
});
