// The walkthrough of the network documentation, top to bottom, on a machine made of namespaces: every command is the
// real klee's, every output is what it printed. Ends with status 1 at the first thing that is not as described.
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asNamespaceRoot, isPrivileged } from "../../scripts/privileges.mjs";
import { findMountPoint } from "../../src/ffi/linux/mount.ts";
import { lacking } from "../support/gate.ts";
import { GATEWAY, Machine, OUTSIDE, waitUntil } from "../support/machine.ts";
import { buildRoot, writeRc } from "../support/rootfs.ts";
import { SIMULATOR } from "../support/simulator.ts";

const withheld = lacking("root", "cgroup2", "overlay");
if (withheld.length > 0) {
  say(`klee: the walkthrough makes networks, mounts and cgroups; what is missing here: ${withheld.join(", ")}.`);
  say(
    "klee: run it as root, in a VM or by `docker run --privileged`; here it goes on with a simulated FreeBSD kernel.\n",
  );
  process.exit(walkOnSimulator());
}
const absent = lacking("libnftables", "busybox", "nft", "ip");
if (absent.length > 0) {
  say(`klee: ${absent.join(", ")}: install what \`npm run setup\` names`);
  process.exit(1);
}

const started = Date.now();
const mountsBefore = readFileSync("/proc/self/mountinfo", "utf8");
const cgroupMount = findMountPoint("cgroup2");
assert(cgroupMount !== undefined);
const machine = new Machine();

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Returns its exit status. */
function walkOnSimulator(): number {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const run = (program: string, ...args: readonly string[]): number =>
    spawnSync(program, args, { cwd: root, stdio: "inherit" }).status ?? 1;
  const namespace = isPrivileged() ? [] : (asNamespaceRoot() ?? []);
  if (namespace.length === 0 && process.geteuid?.() !== 0) {
    say(
      "klee: nor does this system let a plain user have a user namespace, so that klee, which is for root, cannot run.",
    );
    return 1;
  }
  if (!existsSync(SIMULATOR)) {
    const built = run(process.execPath, "scripts/setup.mjs", "--simulator");
    if (built !== 0) return built;
  }
  const [program = process.execPath, ...before] = namespace;
  const node = namespace.length === 0 ? [] : [process.execPath];
  return run(program, ...before, ...node, "--import", "tsx", "test/walkthrough/simulated.ts");
}

/** Runs a command as a user types it, prints both, and returns what klee printed. */
function klee(line: string, expected: number | "failure" = 0, args: readonly string[] = line.split(" ")): string {
  say(`$ klee ${line}`);
  const { status, output } = machine.kleeInOrder(args);
  process.stdout.write(`${output}\n`);
  if (expected === "failure") assert.notEqual(status, 0, `klee ${line} must fail`);
  else assert.equal(status, expected, `exit status of klee ${line}`);
  return output;
}

function checked(what: string): void {
  say(`   [ok] ${what}\n`);
}

const id = /^[0-9a-f]{12}$/;
const linesOf = (output: string): string[] => output.trimEnd().split("\n");

function setUp(): { readonly queries: () => string } {
  const rootfs = machine.folder("rootfs");
  buildRoot(rootfs, ["sh", "ifconfig", "host", "nc", "ping"]);
  writeRc(rootfs);
  const dns = machine.spawnOutside("dnsmasq", [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--no-resolv",
    "--no-hosts",
    "--user=root",
    "--pid-file=",
    `--listen-address=${OUTSIDE}`,
    "--bind-interfaces",
    // Nobody else is asked about it: host(1) of Debian 13 asks for records of type HTTPS as well.
    "--local=/freebsd.org/",
    "--host-record=freebsd.org,96.47.72.84,2610:1c1:1:606c::50:15",
    "--mx-host=freebsd.org,mx1.freebsd.org,10",
    "--mx-host=freebsd.org,mx66.freebsd.org,30",
    "--log-queries=extra",
    `--log-facility=${join(machine.directory, "dns.log")}`,
  ]);
  dns.on("exit", (code) => {
    if (code !== null) say(`the DNS server ended with status ${code}`);
  });
  const queries = (): string =>
    existsSync(join(machine.directory, "dns.log")) ? readFileSync(join(machine.directory, "dns.log"), "utf8") : "";
  waitUntil(() => queries().includes("started"), "the DNS server");
  const image = klee(`image create dir ${rootfs} -t FreeBSD`);
  assert.match(image.trim(), id);
  return { queries };
}

function createNetworkAndContainers(queries: () => string): { readonly first: string; readonly second: string } {
  say("## Creating network and containers\n");
  const network = klee("network create --subnet 10.2.3.0/24 testnet").trim();
  assert.match(network, id);
  checked("the network's id is printed");

  const ifconfig = linesOf(klee("run -l ipnet -n testnet --name strange_moser FreeBSD ifconfig"));
  const first = ifconfig[0] ?? "";
  assert.match(first, id);
  assert.match(ifconfig[1] ?? "", /^created execution instance [0-9a-f]{12}$/);
  const interfaceText = ifconfig.join("\n");
  assert.match(interfaceText, /kleene0: .*\n\s+inet 10\.2\.3\.1 {2}netmask 255\.255\.255\.255/);
  assert.equal(interfaceText.match(/inet 10\./g)?.length, 1);
  assert.match(ifconfig.at(-1) ?? "", /^executable [0-9a-f]{12} and its container exited with exit-code 0$/);
  assert.equal(ifconfig.at(-2), "");
  checked("ifconfig in the container shows kleene0 with 10.2.3.1");

  const host = klee("run -l ipnet -n testnet --name hungry_knuth FreeBSD host freebsd.org");
  const second = linesOf(host)[0] ?? "";
  for (const line of [
    "freebsd.org has address 96.47.72.84",
    "freebsd.org has IPv6 address 2610:1c1:1:606c::50:15",
    "freebsd.org mail is handled by 10 mx1.freebsd.org.",
    "freebsd.org mail is handled by 30 mx66.freebsd.org.",
  ])
    assert(host.includes(line), line);
  assert.match(queries(), new RegExp(`query\\[A\\] freebsd.org from ${GATEWAY.replaceAll(".", "\\.")}`));
  assert(!queries().includes("from 10.2.3."));
  checked(`the second container resolved freebsd.org through NAT: the DNS server saw ${GATEWAY}`);
  inspectBoth(network, first, second);
  return { first, second };
}

function inspectBoth(network: string, first: string, second: string): void {
  const container = JSON.parse(klee(`container inspect ${second}`));
  assert.deepEqual(Object.keys(container), ["container", "container_endpoints", "container_mountpoints"]);
  const seedKeys = ["cmd", "created", "dataset", "env", "id", "image_id", "jail_param", "name", "network_driver"];
  for (const key of [...seedKeys, "public_ports", "running", "user"]) assert(key in container.container, key);
  assert.deepEqual(Object.keys(container.container), Object.keys(container.container).sort());
  assert.deepEqual(container.container.cmd, ["host", "freebsd.org"]);
  assert.deepEqual(container.container.env, []);
  assert.deepEqual(container.container.jail_param, ["mount.devfs", 'exec.stop="/bin/sh /etc/rc.shutdown jail"']);
  assert.equal(container.container.id, second);
  assert.equal(container.container.name, "hungry_knuth");
  assert.equal(container.container.network_driver, "ipnet");
  assert.deepEqual(container.container.public_ports, []);
  assert.equal(container.container.running, false);
  assert.equal(container.container.user, "root");
  assert.match(container.container.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual(container.container_mountpoints, []);
  const endpoint = (containerId: string, address: string, endpointId: string): object => ({
    container_id: containerId,
    epair: null,
    id: endpointId,
    ip_address: address,
    ip_address6: "",
    network_id: "testnet",
  });
  const own = container.container_endpoints[0];
  assert.deepEqual(container.container_endpoints, [endpoint(second, "10.2.3.2", own.id)]);
  checked("container inspect has the keys and values of the documentation");

  const inspected = JSON.parse(klee("network inspect testnet"));
  assert.deepEqual(inspected.network, {
    exclude: [],
    gateway: "<auto>",
    gateway6: "<auto>",
    icc: true,
    id: network,
    interface: "kleene0",
    internal: false,
    ip_range: [],
    log: false,
    name: "testnet",
    nat: "em0",
    subnet: "10.2.3.0/24",
    subnet6: "",
    type: "loopback",
  });
  const [one, two] = inspected.network_endpoints;
  assert.deepEqual(inspected.network_endpoints, [
    endpoint(first, "10.2.3.1", one.id),
    endpoint(second, "10.2.3.2", two.id),
  ]);
  checked("network inspect has the keys and values of the documentation");
}

async function communicate(first: string, second: string): Promise<void> {
  say("## Inter-container communication on the same network\n");
  const stopped = klee("lsc -a");
  assert.match(
    stopped,
    /^ ?CONTAINER ID {4}NAME +IMAGE +COMMAND +CREATED +STATUS +JID *\n─+\n/,
    "the columns of the documentation",
  );
  for (const [containerId, name, command] of [
    [second, "hungry_knuth", "host freebsd.org"],
    [first, "strange_moser", "ifconfig"],
  ])
    assert.match(
      stopped,
      new RegExp(` ${containerId} +${name} +FreeBSD:latest +${command} +\\S.* ago +stopped *\n`),
      "a row for each container",
    );
  checked("lsc -a has the columns of the documentation");

  for (const name of ["hungry_knuth", "strange_moser"]) {
    const output = klee(`exec ${name} /bin/sh /etc/rc`);
    assert.match(output, /^created execution instance [0-9a-f]{12}\n/);
    assert.match(output, /\n[0-9a-f]{12} has exited with exit-code 0\n$/);
  }
  const running = klee("lsc -a");
  for (const name of ["hungry_knuth", "strange_moser"])
    assert.match(running, new RegExp(`${name} .* running +\\d+ *\n`));
  checked("both are started by exec, and run on with the daemon that rc left");

  const ping = klee("exec hungry_knuth ping -c 1 10.2.3.1", "failure");
  assert.match(ping, /Operation not permitted/);
  assert.match(ping, /has exited with exit-code [1-9]/);
  checked("ping is not permitted");
  const raw = klee("run -l ipnet -n testnet -J allow.raw_sockets FreeBSD ping -c 1 -W 5 10.2.3.1");
  assert.match(raw, /1 packets transmitted, 1 received/);
  checked("ping works with allow.raw_sockets");
  await talk();
}

async function talk(): Promise<void> {
  klee("network create --subnet 10.2.4.0/24 othernet");
  say("## Terminal 3:\n$ klee run -l ipnet -n othernet --name bystander FreeBSD nc -l 4000");
  const bystander = machine.startKlee([
    "run",
    "-l",
    "ipnet",
    "-n",
    "othernet",
    "--name",
    "bystander",
    "FreeBSD",
    "nc",
    "-l",
    "4000",
  ]);
  say("## Terminal 1:\n$ klee exec strange_moser nc -l 4000");
  const server = machine.startKlee(["exec", "strange_moser", "nc", "-l", "4000"]);
  const listening = (address: string): boolean =>
    readFileSync("/proc/net/tcp", "utf8").includes(`${hexAddress(address)}:0FA0 00000000:0000 0A`);
  waitUntil(() => listening("10.2.3.1") && listening("10.2.4.1"), "two listeners on port 4000");
  const line = 'exec hungry_knuth /bin/sh -c "echo testing | nc -vv 10.2.3.1 4000"';
  say(`## Terminal 2:\n$ klee ${line}`);
  const client = machine.startKlee(["exec", "hungry_knuth", "/bin/sh", "-c", "echo testing | nc -vv 10.2.3.1 4000"]);
  waitUntil(() => server.output().includes("testing\n"), "testing in terminal 1");
  waitUntil(() => client.output().includes("succeeded!"), "the client's connection");
  process.stdout.write(client.output());
  say(`## Terminal 1:\n${server.output()}`);
  assert.match(client.output(), /Connection to 10\.2\.3\.1 4000 port \[tcp\/\*\] succeeded!/);
  assert.match(server.output(), /^created execution instance [0-9a-f]{12}\ntesting\n/);
  checked("nc -l 4000 in one container received 'testing' from the other");
  assert(!bystander.output().includes("testing"));
  assert(listening("10.2.4.1"));
  klee('exec bystander /bin/sh -c "echo own | nc -N 10.2.4.1 4000"', 0, [
    "exec",
    "bystander",
    "/bin/sh",
    "-c",
    "echo own | nc -N 10.2.4.1 4000",
  ]);
  waitUntil(() => bystander.output().includes("own\n"), "the third container's own connection");
  assert(!bystander.output().includes("testing"));
  checked("a third container, on another network, kept its own listener on port 4000");
  say("^C in all three terminals\n");
  for (const { child } of [client, server, bystander]) child.kill("SIGINT");
  await Promise.all([client, server, bystander].map(({ ended }) => ended));
}

/** /proc/net/tcp prints an IPv4 address as a little-endian number. */
const hexAddress = (address: string): string =>
  address
    .split(".")
    .reverse()
    .map((part) => Number(part).toString(16).padStart(2, "0").toUpperCase())
    .join("");

function removeAll(): void {
  say("## Removing everything\n");
  klee("stop hungry_knuth strange_moser");
  const containers = linesOf(klee("lsc -a -q"));
  for (const container of containers) klee(`rmc -f ${container}`);
  klee("rmn testnet othernet");
  klee("rmi FreeBSD");
  const links = machine.run("ip", "-o", "link");
  assert.doesNotMatch(links, /kleene/);
  assert.doesNotMatch(machine.run("ip", "-o", "address"), /10\.2\.[34]\./);
  assert.equal(machine.run("nft", "list", "tables"), "");
  assert(cgroupMount !== undefined);
  // Another klee's containers may run on this machine: theirs stay.
  const ours = (names: readonly string[]): string[] =>
    names.filter((name) => containers.some((id) => name.includes(id)));
  waitUntil(() => ours(cgroups()).length === 0 && !cgroups().includes("klee"), "no cgroup of klee's to be left");
  waitUntil(() => ours(supervisors()).length === 0, "no supervisor to be left");
  assert.deepEqual(overlays(readFileSync("/proc/self/mountinfo", "utf8")), overlays(mountsBefore));
  checked("nothing is left: interfaces, addresses, firewall tables, cgroups, mounts, processes");
}

/** Those of the system around may be among them, with other numbers in another namespace. */
function overlays(mountinfo: string): string[] {
  const lines = mountinfo.split("\n").filter((line) => / overlay /.test(line));
  return lines.map((line) => line.split(" ").slice(2).join(" "));
}

/** Cgroups of containers; the one above them alone, when the last container did not take it along. */
function cgroups(): string[] {
  assert(cgroupMount !== undefined);
  const directories = readdirSync(cgroupMount, { withFileTypes: true, recursive: true }).filter((e) => e.isDirectory());
  const containers = directories.filter(({ parentPath }) => parentPath.endsWith("/klee")).map(({ name }) => name);
  return containers.length > 0 ? containers : directories.map(({ name }) => name).filter((name) => name === "klee");
}

/** Command lines of supervisors: each names its container. */
function supervisors(): string[] {
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid));
  return pids.map(commandOf).filter((command) => command.includes("klee-supervisor"));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

try {
  const { queries } = setUp();
  const { first, second } = createNetworkAndContainers(queries);
  await communicate(first, second);
  removeAll();
  say(`The walkthrough holds, from top to bottom (${((Date.now() - started) / 1000).toFixed(1)} s).`);
} catch (error) {
  process.exitCode = 1;
  say(`NOT AS DESCRIBED: ${error instanceof Error ? error.stack : String(error)}`);
  if (existsSync(join(cgroupMount, "klee"))) say("what klee made is removed now");
} finally {
  machine[Symbol.dispose]();
}
process.exit();
