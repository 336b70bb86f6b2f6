import { strict as assert } from "node:assert";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { settled } from "../support/inventory.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

/** All of one test's commands have ended by then, whatever the machine. */
const BOUND_MS = 120_000;

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const { ok } = machine;
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
});

interface Ended {
  readonly args: readonly string[];
  readonly status: number;
  readonly output: string;
}

/** Starts all of them at once; an error when one has not ended in time. */
async function together(commands: readonly (readonly string[])[]): Promise<Ended[]> {
  const started = commands.map((args) => ({ args, klee: machine.startKlee(args) }));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const open = started.filter(({ klee }) => klee.child.exitCode === null).map(({ args }) => args.join(" "));
      for (const { klee } of started) klee.child.kill("SIGKILL");
      reject(new Error(`not ended in ${BOUND_MS} ms: ${open.join("; ")}`));
    }, BOUND_MS);
  });
  try {
    const all = started.map(async ({ args, klee }) => ({ args, status: await klee.ended, output: klee.output() }));
    return await Promise.race([Promise.all(all), late]);
  } finally {
    clearTimeout(timer);
  }
}

const failures = (ended: readonly Ended[], allowed = /^$/): string[] =>
  ended
    .filter(({ status, output }) => status !== 0 && !allowed.test(output))
    .map(({ args, status, output }) => `klee ${args.join(" ")}: ${status} ${output}`);

const repeat = (count: number, command: (number: number) => string[]): string[][] =>
  Array.from({ length: count }, (_, number) => command(number));

test("50 runs at once, each removed at its end", gate, async (t) => {
  const ended = await together(repeat(50, (n) => ["run", "--rm", "-n", "net", "box", "sh", "-c", `echo run-${n}`]));
  const wrong = [...failures(ended), ...(await settled(machine))];
  ended.forEach(({ output }, n) => {
    if (!output.includes(`run-${n}\n`)) wrong.push(`run ${n} printed ${output}`);
  });
  t.diagnostic(`parallel runs ${50 - wrong.length} of 50`);
  assert.deepEqual(wrong, []);
  assert.equal(ok("lsc", "-a", "-q"), "");
  assert.equal(ok("system", "check"), "");
});

test("20 containers at once have 20 addresses", gate, async () => {
  assert.deepEqual(failures(await together(repeat(20, () => ["run", "-d", "-n", "net", "box", "sleep", "1000"]))), []);
  assert.deepEqual(await settled(machine), []);
  const { network_endpoints: endpoints } = JSON.parse(ok("isn", "net")) as {
    network_endpoints: { ip_address: string; ip_address6: string }[];
  };
  assert.equal(new Set(endpoints.map((endpoint) => endpoint.ip_address)).size, 20);
  assert.equal(new Set(endpoints.map((endpoint) => endpoint.ip_address6)).size, 20);
  const ids = ok("lsc", "-a", "-q").split("\n").filter(Boolean);
  assert.deepEqual(failures(await together(ids.map((id) => ["rmc", "-f", id]))), []);
  assert.deepEqual(await settled(machine), []);
});

test("20 networks made at once, removed at once, and made again meanwhile", gate, async () => {
  const make = (n: number): string[] => ["network", "create", "--subnet", `10.50.${n}.0/24`, `n${n}`];
  assert.deepEqual(failures(await together(repeat(20, make))), []);
  assert.deepEqual(await settled(machine), []);
  const mixed = repeat(20, (n) => ["rmn", `n${n}`]).concat(repeat(20, make));
  const refused = /name is already taken|already (taken|exists)|overlaps|exists already|not found|is being removed/;
  assert.deepEqual(failures(await together(mixed), refused), []);
  assert.deepEqual(await settled(machine), []);
  ok("network", "prune", "-f");
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
});

test("one name, asked for by 10: one gets it", gate, async () => {
  const ended = await together(repeat(10, () => ["create", "-n", "net", "--name", "same", "box"]));
  assert.equal(ended.filter(({ status }) => status === 0).length, 1);
  assert.deepEqual(failures(ended, /name is already taken: same/), []);
  assert.deepEqual(await settled(machine), []);
  ok("rmc", "same");
});

test("one address, asked for by 10: one gets it", gate, async () => {
  const ended = await together(repeat(10, () => ["create", "-n", "net", "--ip", "10.2.3.77", "box"]));
  assert.equal(ended.filter(({ status }) => status === 0).length, 1);
  assert.deepEqual(failures(ended, /10\.2\.3\.77 is already in use/), []);
  assert.deepEqual(await settled(machine), []);
});

test("commands on one container: exec, rename, stop, start, restart, prune, at once", gate, async () => {
  const id = ok("create", "-n", "net", "--name", "busy", "-P", "box", "sleep", "1000").trim();
  ok("start", "-d", id);
  const commands = [
    ...repeat(10, (n) => ["exec", id, "sh", "-c", `echo ${n}`]),
    ...repeat(4, (n) => ["container", "rename", id, `busy${n}`]),
    ...repeat(3, () => ["stop", id]),
    ...repeat(3, () => ["start", "-d", id]),
    ...repeat(2, () => ["restart", id]),
    ...repeat(3, () => ["container", "prune", "-f"]),
    ...repeat(3, () => ["lsc", "-a"]),
    ...repeat(2, () => ["system", "check"]),
    ...repeat(2, () => ["system", "reconcile"]),
  ];
  const ended = await together(commands);
  // An exec that was under way when the container was stopped ends with 128 + SIGTERM or SIGKILL, as the meaning demands.
  const wrong = ended.filter(({ args, status, output }) => {
    if (status === 0) return false;
    if (args[0] === "exec")
      return ![137, 143].includes(status) && !/ended|not running|was stopped|being started/.test(output);
    return !/not running|already run/.test(output);
  });
  assert.deepEqual(wrong, []);
  assert.deepEqual(await settled(machine), []);
  assert.equal(ok("system", "check"), "");
  waitUntil(() => machine.klee(["rmc", "-f", id]).status === 0, "the container to be removed");
  assert.deepEqual(await settled(machine), []);
});

test("runs, while networks come and go and everything unused is pruned", gate, async () => {
  const commands = [
    ...repeat(15, (n) => ["run", "--rm", "-n", "net", "box", "sh", "-c", `echo ${n}`]),
    ...repeat(5, (n) => ["network", "create", "--subnet", `10.60.${n}.0/24`, `p${n}`]),
    ...repeat(5, () => ["container", "prune", "-f"]),
    ...repeat(2, () => ["image", "prune", "-f"]),
    ...repeat(5, () => ["lsn"]),
  ];
  // prune may take what another run has made and not yet started, or has just ended: that is what prune means.
  const allowed = /container not found|not found: [0-9a-f]{12}|is being removed/;
  assert.deepEqual(failures(await together(commands), allowed), []);
  assert.deepEqual(await settled(machine), []);
  assert.equal(ok("system", "check"), "");
});
