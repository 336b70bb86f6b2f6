import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { listListeners, parseSockets } from "../../src/kleene/host/linux/listeners.ts";
import { needs } from "../support/gate.ts";
import { enterNetwork } from "./containers.ts";

test("sockets that listen, of both families and protocols", needs("root", "ip"), async () => {
  enterNetwork("10.2.3.1/32", "fd00::1/128");
  assert.deepEqual(listListeners(), []);
  const tcp = createServer().listen(4000, "10.2.3.1");
  const tcp6 = createServer().listen(4001, "::");
  const udp = createSocket("udp6").bind(4002, "fd00::1");
  await Promise.all([once(tcp, "listening"), once(tcp6, "listening"), once(udp, "listening")]);
  assert.deepEqual(listListeners(), [
    { protocol: "tcp", address: "10.2.3.1", port: 4000 },
    { protocol: "tcp", address: "::", port: 4001 },
    { protocol: "udp", address: "fd00::1", port: 4002 },
  ]);
  tcp.close();
  tcp6.close();
  udp.close();
});

test("the kernel's table is read line by line, its heading passed over", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0103020A:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
  10: 000000FD000000000000000001000000:0050 00000000000000000000000000000000:0000 01 00000000:00000000 00:0 0
`;
  assert.deepEqual(parseSockets(table), [
    { address: "10.2.3.1", port: 4000, state: "0A" },
    { address: "fd00::1", port: 80, state: "01" },
  ]);
});
