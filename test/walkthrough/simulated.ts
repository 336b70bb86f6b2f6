// The walkthrough as far as it goes without privileges: klee's own commands on a simulated FreeBSD kernel. Run by
// walkthrough.ts, as root of a user namespace where there is one: then files, mounts and processes are real ones of this
// system, and only what a kernel decides about networks is a model's. Otherwise no process runs, and no mount is made.
import { strict as assert } from "node:assert";
import { isPrivileged } from "../../scripts/privileges.mjs";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const started = Date.now();
const id = /^[0-9a-f]{12}$/;
const areReal = isPrivileged();
const host = new SimulatedHost({ ...ordinaryMachine, release: 15, real: areReal });

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs a command as a user types it, prints both, and returns what klee printed. */
function klee(line: string, args: readonly string[] = line.split(" ")): string {
  say(`$ klee ${line}`);
  const { status, output } = host.kleeInOrder(args);
  process.stdout.write(`${output}\n`);
  assert.equal(status, 0, `exit status of klee ${line}`);
  return output;
}

function checked(what: string): void {
  say(`   [ok] ${what}\n`);
}

function createNetworkAndContainers(): void {
  say("## Creating network and containers\n");
  const root = host.folder("rootfs");
  buildRoot(root, ["sh", "cat", "hostname", "sleep"]);
  assert.match(klee(`image create dir ${root} -t FreeBSD`).trim(), id);
  const network = klee("network create --subnet 10.2.3.0/24 testnet").trim();
  assert.match(network, id);
  const made = host.state().interfaces.find(({ name }) => name === "kleene0");
  assert.equal(made?.description, `klee ${network}`);
  checked("the kernel has an interface kleene0, marked as this network's");
  for (const name of ["strange_moser", "hungry_knuth"])
    klee(`container create -l ipnet -n testnet --name ${name} FreeBSD sleep 1000`);
  klee("lsc -a");
  const { network_endpoints: endpoints } = JSON.parse(klee("network inspect testnet")) as {
    readonly network_endpoints: readonly { readonly ip_address: string }[];
  };
  assert.deepEqual(
    endpoints.map(({ ip_address }) => ip_address),
    ["10.2.3.1", "10.2.3.2"],
  );
  checked("each container has an address of the network's");
}

function runContainers(): void {
  say("## Running them\n");
  klee("start -d strange_moser hungry_knuth");
  const jails = host.state().jails.filter((jail) => jail.dying_until === null);
  assert.deepEqual(jails.map(({ ip4 }) => ip4[0]).sort(), ["10.2.3.1", "10.2.3.2"]);
  checked("two jails run, each with its address alone");
  const line = "exec hungry_knuth /bin/sh -c hostname";
  assert.match(klee(line), /\n[0-9a-f]{12}\n/);
  checked("a command in a jail sees the container's own files and host name");
  klee("run -d -l ipnet -n testnet -p 8080:80 --name web FreeBSD sleep 1000");
  const arriving = { direction: "in", interface: "em0", protocol: 6, source: "203.0.113.5" } as const;
  const redirected = host.judge({ ...arriving, destination: "192.0.2.1", port: 8080 });
  assert.deepEqual([redirected.passed, redirected.packet.destination, redirected.packet.port], [true, "10.2.3.3", 80]);
  assert.equal(host.judge({ ...arriving, destination: "10.2.3.3", port: 80 }).passed, false);
  checked(
    "by the rules that pf was given, port 8080 of the host is port 80 of the container, which nobody else reaches",
  );
  klee("stop web hungry_knuth strange_moser");
}

function removeAll(): void {
  say("## Removing everything\n");
  for (const container of klee("lsc -a -q").trimEnd().split("\n")) klee(`rmc -f ${container}`);
  klee("rmn testnet");
  klee("rmi FreeBSD");
  const { interfaces, jails } = host.state();
  assert.deepEqual(
    interfaces.map(({ name }) => name),
    ["em0", "lo0"],
  );
  assert.deepEqual(
    jails.filter((jail) => jail.dying_until === null),
    [],
  );
  checked("nothing is left: interfaces, addresses, jails");
}

try {
  createNetworkAndContainers();
  if (areReal) runContainers();
  else say("No process can be confined here, so none is run.\n");
  removeAll();
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(`The walkthrough holds on the simulated kernel, as far as it goes there (${seconds} s).`);
} catch (error) {
  process.exitCode = 1;
  say(`NOT AS DESCRIBED: ${error instanceof Error ? error.stack : String(error)}`);
} finally {
  host[Symbol.dispose]();
}
process.exit();
