/** How many kernel calls klee's commands make on Linux, and that others' networks and containers add none. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { after, describe, test } from "node:test";
import { assertIndependent, FORTY_NINE, makeOthers, measure, ONE, type Traced } from "../support/calls.ts";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

/** What else is on the host when klee is measured among others. */
const INTERFACES = 20;
const CONNECTIONS = 50;

describe("kernel calls on Linux", needs("root", "cgroup2", "overlay", "libnftables", "busybox"), () => {
  const machine = new Machine();
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    machine[Symbol.dispose]();
  });
  const traced: Traced = (args) => machine.klee(["--trace", ...args]);

  before(() => {
    const root = machine.folder("rootfs");
    buildRoot(root, ["sh"]);
    machine.ok("image", "create", "dir", root, "-t", "box");
    machine.ok("network", "create", "--subnet", "10.2.3.0/24", "testnet");
  });

  test("run, start, exec and stop", async (t) => {
    const alone = measure(traced);
    await makeOthers(machine.root, ONE);
    const besideOne = measure(traced);
    await makeOthers(machine.root, FORTY_NINE);
    for (let number = 0; number < INTERFACES; number += 1) {
      machine.run("ip", "link", "add", `other${number}`, "type", "bridge");
      machine.run("ip", "address", "add", `10.4.${number}.1/24`, "dev", `other${number}`);
    }
    server.listen(4000, "127.0.0.1");
    await once(server, "listening");
    for (let number = 0; number < CONNECTIONS; number += 1) {
      const socket = connect(4000, "127.0.0.1");
      sockets.push(socket);
      await once(socket, "connect");
    }
    assertIndependent(alone, besideOne, measure(traced), (line) => t.diagnostic(`Linux: ${line}`));
  });
});
