/** Connections that are older than the rules, with real packets. */
import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, afterEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, GATEWAY6, Machine, OUTSIDE, OUTSIDE6, waitUntil } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
let agents: Agents;

/** Asks every 50 ms, from one port, and prints what is answered. */
const CLIENT = `
  const [address, port, own] = process.argv.slice(1);
  const socket = require("node:dgram").createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (message) => process.stdout.write(message + "\\n"));
  socket.on("error", () => {});
  socket.bind(Number(own), () => setInterval(() => socket.send("?", Number(port), address), 50));
`;

/** A client outside, which goes on. */
class Client {
  readonly #child: ChildProcess;
  #answers = 0;

  constructor(address: string, port: number, own: number) {
    const args = ["-e", CLIENT, address, String(port), String(own)];
    this.#child = machine.spawnOutside(process.execPath, args);
    this.#child.stdout?.on("data", () => {
      this.#answers += 1;
    });
  }

  /** Is it answered within two seconds? */
  async isAnswered(): Promise<boolean> {
    // What came while this process was at something else.
    await delay(100);
    const before = this.#answers;
    const deadline = Date.now() + 2000;
    while (this.#answers === before && Date.now() < deadline) await delay(20);
    return this.#answers > before;
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

/** Waits until the kernel tracks a client's packets. */
function untilTracked(own: number): void {
  waitUntil(() => tracked().includes(`sport=${own} `), `packets from port ${own}`);
}

/** The kernel's own list, which is empty of those that nobody asked to track. */
const tracked = (): string => machine.run("cat", "/proc/net/nf_conntrack");

before(() => {
  agents = new Agents(machine);
  agents.outside("outside", 4000, OUTSIDE, OUTSIDE6);
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
});

afterEach(() => {
  for (const id of ok("lsc", "-a", "-q").split("\n").filter(Boolean)) ok("rmc", "-f", id);
});

const published = (name = "server"): void =>
  agents.inContainer(name, ["-n", "net", "-p", "9100:4000/udp"], 4000, "10.2.3.1", "fd00:2:3::1");

for (const [family, address, own] of [
  ["IPv4", GATEWAY, 40_004],
  ["IPv6", GATEWAY6, 40_006],
] as const)
  test(
    `${family}: a client that was there before the port is answered, and again after stop and start`,
    gate,
    async () => {
      const client = new Client(address, 9100, own);
      untilTracked(own);
      published();
      assert(await client.isAnswered(), "after run");
      ok("stop", "server");
      assert.equal(await client.isAnswered(), false, "while it is stopped");
      agents.restart("server");
      assert(await client.isAnswered(), "after stop and start");
      await client.end();
    },
  );

test("rules that somebody took away and klee loads again: so is it then", gate, async () => {
  published();
  machine.run("nft", "flush", "ruleset");
  // Tracked even so, as on any host with a firewall of its own.
  machine.run("nft", "add table inet own; add chain inet own c { type filter hook input priority 0; }");
  machine.run("nft", "add rule inet own c ct state established accept");
  const client = new Client(GATEWAY, 9100, 40_014);
  untilTracked(40_014);
  assert.equal(await client.isAnswered(), false);
  ok("system", "reconcile");
  assert(await client.isAnswered());
  await client.end();
  machine.run("nft", "delete table inet own");
});

test("among many connections, those of others are left alone", gate, async () => {
  agents.onHost("host", 9100, GATEWAY);
  agents.onHost("other", 9101, GATEWAY);
  const elsewhere = new Client(GATEWAY, 9101, 40_025);
  assert(await elsewhere.isAnswered());
  const marks = (): string[] =>
    tracked()
      .split("\n")
      .filter((line) => line.includes("sport=40025 "));
  machine.run("nft", "add table inet own; add chain inet own c { type filter hook input priority -10; }");
  machine.run("nft", "add rule inet own c ct mark set 77");
  waitUntil(() => marks().some((line) => line.includes("mark=77")), "the mark");
  machine.run("nft", "delete table inet own");
  // More than are read all at once: the kernel is asked for those of the port.
  const many = `const s = require("node:dgram").createSocket("udp4"); let n = 0;
    for (let p = 20000; p < 20700; p++) s.send("?", p, "${GATEWAY}", () => { if (++n === 700) process.exit(0); });`;
  machine.runOutside(process.execPath, "-e", many);
  const client = new Client(GATEWAY, 9100, 40_024);
  assert(await client.isAnswered(), "by the host's own program");
  assert(tracked().split("\n").length > 600);
  published();
  waitUntil(() => /sport=40024 .*src=10\.2\.3\.1 /.test(tracked()), "the client's packets to go to the container");
  assert(await client.isAnswered(), "by the container");
  assert(await elsewhere.isAnswered());
  assert(
    marks().some((line) => line.includes("mark=77")),
    "this connection was never forgotten",
  );
  await client.end();
  await elsewhere.end();
});

test("a TCP connection that a program of the host has accepted goes on", gate, async () => {
  agents.onHost("host", 9200, GATEWAY);
  const script = `const s = require("node:net").connect(9300, "${GATEWAY}");
    s.on("error", () => process.exit(1)); s.on("data", (d) => process.stdout.write(d)); setInterval(() => s.write("."), 50);`;
  const echo = `require("node:net").createServer((c) => c.pipe(c)).listen(9300, "${GATEWAY}")`;
  const server = spawn(process.execPath, ["-e", echo], { stdio: "ignore" });
  machine.track(server);
  waitUntil(() => machine.run("cat", "/proc/net/tcp").includes(":2454 "), "the host's server");
  const client = machine.spawnOutside(process.execPath, ["-e", script]);
  const heard = async (): Promise<void> => void (await once(client.stdout as NodeJS.ReadableStream, "data"));
  await heard();
  agents.inContainer("server", ["-n", "net", "-p", "9300:4000"], 4000, "10.2.3.1");
  for (let times = 0; times < 10; times += 1) await heard();
  assert.equal(client.exitCode, null);
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 9300), /^ok /, "a new one goes to the container");
  client.kill("SIGKILL");
  server.kill("SIGKILL");
});

test("what was tracked of a subnet before it was a network's is no way in", gate, async () => {
  machine.run("nft", "add table inet own; add chain inet own c { type filter hook input priority 0; }");
  machine.run("nft", "add rule inet own c ct state established accept");
  machine.run("ip", "address", "add", "10.9.0.1/32", "dev", "lo");
  machine.runOutside("ip", "route", "add", "10.9.0.0/24", "via", GATEWAY);
  const echo = `const s = require("node:dgram").createSocket("udp4");
    s.on("message", (m, { port, address }) => s.send(m, port, address)); s.bind(4000, "10.9.0.1");`;
  const server = spawn(process.execPath, ["-e", echo], { stdio: "ignore" });
  machine.track(server);
  const client = new Client("10.9.0.1", 4000, 40_034);
  assert(await client.isAnswered(), "by the host");
  server.kill("SIGKILL");
  await once(server, "exit");
  machine.run("ip", "address", "del", "10.9.0.1/32", "dev", "lo");
  ok("network", "create", "--subnet", "10.9.0.0/24", "late");
  agents.inContainer("in", ["-n", "late"], 4000, "10.9.0.1");
  assert.equal(await client.isAnswered(), false, "containers are not reached from outside");
  await client.end();
  ok("rmc", "-f", "in");
  ok("rmn", "late");
  machine.run("nft", "delete table inet own");
});
