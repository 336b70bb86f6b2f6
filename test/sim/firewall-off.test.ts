/** pf that an administrator switches off while containers run. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { pf } from "../../src/ffi/freebsd/index.ts";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());

function ok(...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const aliases = (): string[] =>
  host
    .state()
    .interfaces.filter(({ groups }) => groups.includes("klee"))
    .flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
    // The kernel gives each loopback interface IPv6 addresses of its own.
    .filter((ip) => !ip.includes(":"));

test(
  "a run that pf's absence refuses leaves nothing; what ran meanwhile ends and goes; pf back, all works",
  gate,
  () => {
    const root = host.folder("rootfs");
    buildRoot(root, ["sh"]);
    ok("image", "create", "dir", root, "-t", "box");
    ok("network", "create", "--subnet", "10.2.3.0/24", "net");
    ok("run", "-d", "-n", "net", "--name", "before", "-p", "8080:80", "box", "sleep", "1000");
    pf.withPf(pf.stop);
    const refused = host.klee(["run", "-n", "net", "--name", "during", "box", "true"]);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /pf does not filter/);
    assert.deepEqual(aliases(), ["10.2.3.1"], "of the one that ran before alone");
    assert.deepEqual(
      host.state().jails.map(({ name }) => name),
      [JSON.parse(ok("container", "inspect", "before")).container.id],
    );
    ok("rmc", "-f", "before");
    assert.deepEqual(aliases(), []);
    assert.deepEqual(
      Object.keys(host.state().pf.anchors).filter((anchor) => anchor.startsWith("klee/ports/")),
      [],
    );
    pf.withPf(pf.start);
    ok("run", "--rm", "-n", "net", "box", "true");
    assert.deepEqual(aliases(), []);
    assert.doesNotMatch(ok("system", "check"), /interrupted|not loaded|missing/);
  },
);
