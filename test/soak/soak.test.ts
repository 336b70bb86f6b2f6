import { strict as assert } from "node:assert";
import { randomInt } from "node:crypto";
import { after, test } from "node:test";
import { numbers } from "../hostile/seed.ts";
import { before, needs } from "../support/gate.ts";
import { settled } from "../support/inventory.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

/** Seconds of random commands; `npm run test:soak` takes KLEE_SOAK_SECONDS. */
const seconds = Number(process.env.KLEE_SOAK_SECONDS ?? 15);
const seed = Number(process.env.KLEE_TEST_SEED ?? randomInt(1 << 30));
/** Commands under way at a time. */
const WORKERS = 4;
/** One in so many commands is killed, at a random moment of its first tenths of a second. */
const KILLED_ONE_IN = 3;
const KILL_WITHIN_MS = 300;

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
const pick = numbers(seed);
after(() => machine[Symbol.dispose]());

const one = (...words: readonly string[]): string => words[pick(words.length)] ?? "";
const container = (): string => one("a", "b", "c", "d", "e");
const network = (): string => one("net", "n1", "n2", "n3");

/** What may be refused is refused with one line; what else may happen is in nobody's hands. */
const commands: readonly (() => string[])[] = [
  () => ["run", "-d", "-n", network(), "--name", container(), "box", "sleep", one("0.1", "1000")],
  () => ["run", one("-dt", "-di", "-dit"), "-n", network(), "--name", container(), "box", one("cat", "true")],
  () => ["run", "--rm", "-n", network(), "box", "true"],
  () => ["run", "--rm", "-l", one("host", "disabled"), "box", "sh", "-c", "exit 3"],
  () => ["create", "-n", network(), "--name", container(), "box", "sleep", "1000"],
  () => ["exec", container(), one("true", "false", "/nowhere")],
  () => ["start", "-d", container()],
  () => ["stop", container()],
  () => ["restart", container()],
  () => ["rmc", "-f", container()],
  () => ["rmc", container()],
  () => ["container", "rename", container(), container()],
  () => ["container", "update", "-e", `N=${pick(9)}`, container()],
  () => ["container", "prune", "-f"],
  () => ["network", "create", "--subnet", `10.7${pick(3)}.0.0/24`, one("n1", "n2", "n3")],
  () => ["rmn", one("n1", "n2", "n3")],
  () => ["image", "create", "dir", machine.folder("rootfs"), ...one("", "-t extra").split(" ").filter(Boolean)],
  () => ["image", "prune", "-f"],
  () => ["lsc", "-a"],
  () => ["network", "inspect", network()],
  () => ["system", "check"],
  () => ["system", "reconcile"],
];

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  for (const args of [
    ["image", "create", "dir", machine.folder("rootfs"), "-t", "box"],
    ["network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net"],
  ])
    assert.equal(machine.klee(args).status, 0);
});

test("random commands, killed at random, end in agreement", gate, async (t) => {
  const deadline = Date.now() + seconds * 1000;
  const wrong: string[] = [];
  let run = 0;
  let killed = 0;
  const worker = async (): Promise<void> => {
    while (Date.now() < deadline && wrong.length === 0) {
      const args = commands[pick(commands.length)]?.() ?? [];
      const klee = machine.startKlee(args);
      let timer: NodeJS.Timeout | undefined;
      if (pick(KILLED_ONE_IN) === 0) {
        timer = setTimeout(() => klee.child.kill("SIGKILL"), pick(KILL_WITHIN_MS));
        killed += 1;
      }
      const late = setTimeout(() => wrong.push(`hangs: klee ${args.join(" ")}`), 60_000);
      await klee.ended;
      clearTimeout(timer);
      clearTimeout(late);
      run += 1;
      const output = klee.output();
      if (/\n\s+at |TypeError|RangeError|SQLITE_|EEXIST|ENOTEMPTY/.test(output))
        wrong.push(`klee ${args.join(" ")}: ${output}`);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  assert.equal(machine.klee(["lsc", "-a"]).status, 0);
  wrong.push(...(await settled(machine)));
  const check = machine.klee(["system", "check"]);
  if (check.status !== 0) wrong.push(check.stdout);
  assert.equal(machine.klee(["system", "cleanup", "-f"]).status, 0);
  wrong.push(...(await settled(machine)));
  t.diagnostic(
    `soak of ${seconds} s: ${run} commands, ${killed} killed, ${wrong.length} wrong (KLEE_TEST_SEED=${seed})`,
  );
  assert.deepEqual(wrong, []);
});
