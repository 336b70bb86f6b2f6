import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { after, afterEach, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { GATEWAY, GATEWAY6, Machine, OUTSIDE, OUTSIDE6, waitUntil } from "../support/machine.ts";
import { Agents } from "./agents.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());
let agents: Agents;
const SERVER = "10.2.3.1";
const SERVER6 = "fd00:2:3::1";

function refused(args: readonly string[], status: number, message: RegExp): void {
  const result = machine.klee(args);
  assert.equal(result.status, status, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, message);
  assert.equal(result.stderr.trimEnd().split("\n").length, 1, result.stderr);
}

const server = (...options: readonly string[]): void =>
  agents.inContainer("server", ["-n", "net", ...options], 4000, SERVER, SERVER6);
const remove = (...names: readonly string[]): void => {
  for (const name of names) ok("rmc", "-f", name);
};
const elements = (): string =>
  machine
    .run("nft", "list", "ruleset")
    .split("\n")
    .filter((line) => line.includes(SERVER) || line.includes(SERVER6))
    .join("\n");

afterEach(() => {
  for (const id of ok("lsc", "-a", "-q").split("\n").filter(Boolean)) ok("rmc", "-f", id);
});

before(() => {
  agents = new Agents(machine);
  agents.outside("outside", 4000, OUTSIDE, OUTSIDE6);
  agents.onHost("host", 4000, GATEWAY, GATEWAY6);
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
});

test("what cannot be published is refused, and nothing half-made stays", gate, () => {
  ok("create", "-n", "net", "--name", "first", "-p", "8000-8010:80-90", "-p", "53:53/udp", "agent");
  refused(
    ["create", "-n", "net", "-p", "8010:80", "agent"],
    1,
    /^klee: cannot publish em0:8010\/tcp: container first \([0-9a-f]{12}\) publishes em0:8000-8010\/tcp\n$/,
  );
  refused(["create", "-n", "net", "-p", `${GATEWAY}:8000:80`, "agent"], 1, /container first/);
  refused(["create", "-n", "net", "-p", "nosuch0:80:80", "agent"], 1, /the host has no such interface/);
  refused(["create", "-n", "net", "-p", "kleene0:80:80", "agent"], 1, /it is the interface of a network/);
  refused(["create", "-n", "net", "-p", "192.0.2.77:80:80", "agent"], 1, /it is no address of the host/);
  refused(["create", "-n", "net", "-p", "80:80:80:80", "agent"], 2, /at most INTERFACE:HOST:CONTAINER/);
  refused(["create", "-n", "net", "-p", "90:80", "-p", "90:81", "agent"], 2, /em0:90\/tcp is published twice/);
  refused(
    ["create", "-l", "host", "-p", "80:80", "agent"],
    2,
    /cannot publish ports of a container using the 'host' network driver/,
  );
  ok("create", "-n", "net", "--name", "other", "-p", "8000:80/udp", "-p", "90:80", "-p", `${GATEWAY}:90:80`, "agent");
  assert.equal(ok("lsc", "-a", "-q").trim().split("\n").length, 2);
  remove("first");
  ok("create", "-n", "net", "--name", "first", "-p", "8010:80", "agent");
});

test("inspect, port, and a free port of the host", gate, () => {
  ok(
    "create",
    "-n",
    "net",
    "--name",
    "web",
    "-p",
    "8080:80",
    "-p",
    "[2001:db8::2]:53:53/udp",
    "-p",
    "0:90-91",
    "agent",
  );
  const [web, dns, free] = JSON.parse(ok("isc", "web")).container.public_ports;
  const port = { container_port: "80", host_address: "", host_port: "8080", interfaces: ["em0"] };
  assert.deepEqual(web, { ...port, ip_address: SERVER, ip_address6: SERVER6, protocol: "tcp" });
  const bound = { container_port: "53", host_address: GATEWAY6, host_port: "53", interfaces: [] };
  assert.deepEqual(dns, { ...bound, ip_address: "", ip_address6: SERVER6, protocol: "udp" });
  const [, first = "", last = ""] = /^(\d+)-(\d+)$/.exec(free.host_port) ?? [];
  assert(Number(first) >= 49_152 && Number(last) === Number(first) + 1, free.host_port);
  assert.equal(
    ok("container", "port", "web"),
    `80/tcp -> em0:8080\n53/udp -> [${GATEWAY6}]:53\n90-91/tcp -> em0:${first}-${last}\n`,
  );
  assert.equal(ok("container", "port", "web", "91/tcp"), `90-91/tcp -> em0:${first}-${last}\n`);
});

test("a port that hides a listener of the host: a warning from whatever starts the container", gate, () => {
  const warns = (...args: readonly string[]): void => {
    const { status, stderr } = machine.klee(args);
    assert.equal(status, 0, stderr);
    assert.equal(
      stderr,
      "klee: warning: publishing em0:4000/tcp hides the host's own listener on 192.0.2.2:4000/tcp while the container runs\n",
    );
  };
  warns("run", "-d", "-n", "net", "--name", "hides", "-p", "4000:80", "agent", "sleep", "9");
  warns("restart", "hides");
  ok("stop", "hides");
  warns("start", "-d", "hides");
  ok("stop", "hides");
  warns("exec", "-d", "hides", "sleep", "9");
  remove("hides");
  const quiet = machine.klee(["run", "-d", "-n", "net", "--name", "quiet", "-p", "4001:80", "agent", "sleep", "9"]);
  assert.equal(quiet.stderr, "");
  remove("quiet");
});

test("a range, an address, all addresses, the loopback alone", gate, async () => {
  server(
    "-p",
    "7000-7002:3999-4001",
    "-p",
    `${GATEWAY}:7100:4000`,
    "-p",
    "[::]:7200:4000",
    "-p",
    "127.0.0.1:7300:4000",
  );
  const ask = (who: string, address: string, port: number): Promise<string> => agents.ask(who, "tcp", address, port);
  assert.match(await ask("outside", GATEWAY, 7001), /^ok /);
  assert.equal(await ask("outside", GATEWAY, 7000), "ECONNREFUSED", "published, but nobody listens in the container");
  assert.match(await ask("outside", GATEWAY6, 7001), /^ok /);
  assert.match(await ask("outside", GATEWAY, 7100), /^ok /);
  assert.equal(await ask("outside", GATEWAY6, 7100), "ECONNREFUSED");
  assert.match(await ask("host", GATEWAY, 7100), /^ok /);
  assert.equal(await ask("host", "127.0.0.1", 7100), "ECONNREFUSED");
  assert.match(await ask("outside", GATEWAY6, 7200), /^ok /);
  assert.match(await ask("host", "::1", 7200), /^ok /);
  assert.equal(await ask("outside", GATEWAY, 7200), "ECONNREFUSED");
  assert.match(await ask("host", "127.0.0.1", 7300), /^ok /);
  assert.equal(await ask("outside", GATEWAY, 7300), "ECONNREFUSED");
  assert.equal(await ask("host", GATEWAY, 7300), "ECONNREFUSED");
});

test("redirects vanish with the endpoint: stop, disconnect, rm", gate, async () => {
  server("-p", "8080:4000");
  const ask = (): Promise<string> => agents.ask("outside", "tcp", GATEWAY, 8080);
  assert.match(await ask(), /^ok /);
  ok("stop", "server");
  assert.equal(await ask(), "ECONNREFUSED");
  assert.equal(elements(), "");
  agents.restart("server");
  assert.match(await ask(), /^ok /);
  ok("network", "disconnect", "net", "server");
  assert.equal(await ask(), "ECONNREFUSED");
  assert.equal(elements(), "");
  ok("network", "connect", "net", "server");
  remove("server");
  assert.equal(elements(), "");
});

test("the next container at an address inherits neither redirects nor connections", gate, async () => {
  server("-p", "8080:4000/udp", "-p", "8080:4000/tcp");
  const ask = (): Promise<string> => agents.ask("outside", "udp", GATEWAY, 8080, 5555);
  assert.match(await ask(), /^ok /, "a flow begins");
  remove("server");
  agents.inContainer("next", ["-n", "net"], 4000, SERVER, SERVER6);
  assert.equal(JSON.parse(ok("isc", "next")).container_endpoints[0].ip_address, SERVER);
  assert.equal(await ask(), "ECONNREFUSED", "the same flow goes on");
});

test("rules somebody took away come back with the next command, and nothing passes before", gate, async () => {
  server("-p", "8080:4000");
  machine.run("nft", "flush", "ruleset");
  assert.equal(machine.klee(["system", "check"]).status, 1);
  ok("system", "reconcile");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  machine.run("ip", "link", "delete", "kleene0");
  ok("system", "reconcile");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /, "interface and alias are back as well");
});

const table = (): string => /table inet (klee_\w+)/.exec(machine.run("nft", "list", "tables"))?.[1] ?? "";

test("elements that are not klee's go when they are in the way", gate, async () => {
  server("-p", "8080:4000");
  machine.run("nft", "add", "element", "inet", table(), "locally4", "{ tcp . 8081 : 10.9.9.9 . 1 }");
  ok("run", "-d", "-n", "net", "-p", "8081:4000", "--name", "other", "agent", "sleep", "1000");
  assert.doesNotMatch(machine.run("nft", "list", "ruleset"), /10\.9\.9\.9/);
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  // One that ended by itself would do so in the midst of another test.
  ok("rmc", "-f", "other");
});

test("rules without their chains' content are no rules: a flushed table is loaded anew", gate, async () => {
  server("-p", "8080:4000");
  machine.run("nft", "flush", "table", "inet", table());
  assert.match(machine.klee(["system", "check"]).stdout, /rules are not loaded/);
  ok("run", "-n", "net", "agent", "true");
  assert.equal(ok("system", "check"), "");
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
});

test("fail closed: rules that cannot be loaded stop the start, and nothing is exposed", gate, async () => {
  ok("create", "-n", "net", "--name", "second", "-p", "8081:4000", "agent", "sleep", "1000");
  const name = table();
  machine.run("nft", "delete", "table", "inet", name);
  // A table that is another process's own: the kernel lets nobody else change it, for as long as that process lives.
  const owner = spawn("nft", ["-i"], { stdio: ["pipe", "ignore", "ignore"] });
  machine.track(owner);
  owner.stdin.write(`add table inet ${name} { flags owner; }\n`);
  waitUntil(() => machine.run("nft", "list", "tables").includes(name), "the foreign table");
  refused(["start", "second"], 1, /^klee: cannot load the firewall rules: nft: .*Operation not permitted/);
  assert.equal(await agents.ask("outside", "tcp", GATEWAY, 8081), "ECONNREFUSED");
  owner.kill("SIGKILL");
  waitUntil(() => !machine.run("nft", "list", "tables").includes(name), "the foreign table to go");
  assert.match(ok("lsc", "-a"), /second .*stopped/);
  ok("start", "-d", "second");
  assert.equal(ok("system", "check"), "");
  ok("rmc", "-f", "second");
});

test("an administrator's default-drop table stays in force, and klee leaves it alone", gate, async () => {
  machine.run(
    "nft",
    "add table inet admin; add chain inet admin input { type filter hook input priority filter; policy drop; }",
  );
  machine.run(
    "nft",
    "add rule inet admin input iifname lo accept; add rule inet admin input meta l4proto ipv6-icmp accept",
  );
  const before = machine.run("nft", "list", "table", "inet", "admin");
  server("-p", "8080:4000");
  const ask = (): Promise<string> => agents.ask("outside", "tcp", GATEWAY, 8080);
  assert.equal(await ask(), "timeout", "the administrator's table drops what klee's lets in");
  assert.match(await agents.ask("host", "tcp", GATEWAY, 8080), /^ok /);
  assert.equal(machine.run("nft", "list", "table", "inet", "admin"), before);
  machine.run("nft", "add rule inet admin input ct status dnat accept");
  assert.match(await ask(), /^ok /, "the rule of docs/networking.md lets published ports in");
  machine.run("nft", "add chain inet admin output { type filter hook output priority filter; policy drop; }");
  machine.run("nft", "add rule inet admin output meta l4proto ipv6-icmp accept");
  assert.equal(await ask(), "timeout", "and the reply is dropped");
  machine.run(
    "nft",
    "add rule inet admin output oifname lo accept; add rule inet admin output ct state established accept",
  );
  assert.match(await ask(), /^ok /);
  assert.match(await agents.ask("host", "tcp", "127.0.0.1", 8080), /^ok /);
  assert.notEqual(
    (await agents.ask("server", "tcp", OUTSIDE, 4000)).slice(0, 2),
    "ok",
    "nor does klee's NAT open a way out",
  );
  machine.run(
    "nft",
    "add rule inet admin output ip saddr 10.2.3.0/24 accept; add rule inet admin input ct state established accept",
  );
  assert.match(await agents.ask("server", "tcp", OUTSIDE, 4000), /^ok /);
  remove("server");
  ok("system", "reconcile");
  assert.match(machine.run("nft", "list", "table", "inet", "admin"), /policy drop/);
  machine.run("nft", "delete", "table", "inet", "admin");
});

test("no setting of the host's network is changed: no packet of a container is ever forwarded", gate, async () => {
  const settings = (): string =>
    machine
      .run("sh", "-c", "grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 | sort")
      .split("\n")
      .filter((line) => !/kleene|random|tcp_fastopen_key|stable_secret|dentry|\/neigh\//.test(line))
      .join("\n");
  const before = settings();
  assert.match(before, /\/ip_forward:0/);
  server("-p", "8080:4000");
  assert.equal(settings(), before);
  assert.match(await agents.ask("outside", "tcp", GATEWAY, 8080), /^ok /);
  assert.match(await agents.ask("server", "tcp", OUTSIDE, 4000), new RegExp(`^ok ${GATEWAY}`));
  remove("server");
  assert.equal(settings(), before);
});

test("network rules is text that nft takes, and says what the kernel holds", gate, () => {
  server("-p", "8080:4000");
  const text = ok("network", "rules");
  assert.match(
    text,
    /^# network net \([0-9a-f]{12}\): 10\.2\.3\.0\/24 and fd00:2:3::\/64, on kleene0, NAT, containers /m,
  );
  assert.match(text, /^# container server \([0-9a-f]{12}\): 10\.2\.3\.1 and fd00:2:3::1 in net$/m);
  assert.match(text, /^# {3}em0 8080\/tcp -> 10\.2\.3\.1 4000$/m);
  const loaded = machine.run("nft", "list", "ruleset");
  machine.run(
    "sh",
    "-c",
    `cat > ${machine.directory}/rules.nft <<'EOF'\n${text}EOF\nnft -f ${machine.directory}/rules.nft`,
  );
  assert.equal(machine.run("nft", "list", "ruleset"), loaded);
  const model = JSON.parse(ok("network", "rules", "--format", "json", "net"));
  assert.deepEqual(Object.keys(model), ["endpoints", "networks", "pairs", "ports", "withdrawn"]);
  assert.equal(model.ports.length, 2);
});
