/** How many calls of the kernel klee's commands make, by the trace; and what they must not depend on. */
import assert from "node:assert/strict";
import { openKlee } from "../../src/kleene/klee.ts";
import type { Finished } from "./machine.ts";

/** The kernel calls of one klee. */
export interface Calls {
  readonly lines: readonly string[];
  /** Bytes that the kernel sent in answer by recv(2), netlink's dumps above all. */
  readonly received: number;
}

/** Runs a command line under KLEE_TRACE=1. */
export type Traced = (args: readonly string[]) => Finished;

/** By the command's name. */
export type Measured = ReadonlyMap<string, Calls>;

/** What waits looks more often now and then, so that the fewest calls of so many rounds count. */
const ROUNDS = 2;

/** Measures run, start, exec and stop of a container in the network `testnet`; nothing of it stays. */
export function measure(traced: Traced): Measured {
  const fewest = new Map<string, Calls>();
  const once = (...args: readonly string[]): void => {
    const [name = ""] = args;
    const calls = callsOf(traced(args));
    const known = fewest.get(name);
    if (known === undefined || calls.lines.length < known.lines.length) fewest.set(name, calls);
  };
  const plain = (...args: readonly string[]): void => void callsOf(traced(args));
  for (let round = 0; round < ROUNDS; round += 1) {
    once("run", "-n", "testnet", "--name", "short", "box", "true");
    once("start", "short");
    plain("start", "-d", "short");
    plain("wait", "short");
    plain("rmc", "short");
    plain("create", "-n", "testnet", "--name", "long", "box", "sleep", "1000");
    plain("start", "-d", "long");
    once("exec", "long", "true");
    once("stop", "long");
    plain("rmc", "long");
  }
  return fewest;
}

/**
 * What a command does or does not, by chance and not by how many others there are: who finds a lock held closes its
 * file and tries once more, and who finds a process that has ended still in its cgroup empties it. To open a library is no
 * call of the kernel.
 */
const UNCOUNTED =
  /^klee: (?:dlopen |flock .* = EAGAIN |close \/\S+\/locks\/|write \/\S+\/cgroup\.kill = |poll\(cgroup\.events\) )/;

function callsOf({ status, stderr }: Finished): Calls {
  assert.equal(status, 0, stderr);
  const lines = (stderr.match(/^klee: .* <\d+ us>$/gm) ?? []).filter((line) => !UNCOUNTED.test(line));
  const received = lines.map((line) => Number(/^klee: recv .* = (\d+) </.exec(line)?.[1] ?? 0));
  return { lines, received: received.reduce((sum, bytes) => sum + bytes, 0) };
}

/** How many networks, running and stopped containers a machine gets. */
export interface Others {
  readonly networks: number;
  readonly running: number;
  readonly stopped: number;
}

/** What a first container needs is there with it; and fifty in all. */
export const ONE: Others = { networks: 0, running: 1, stopped: 0 };
export const FORTY_NINE: Others = { networks: 17, running: 12, stopped: 20 };

/** Makes others on a store, of the image `box`. */
export async function makeOthers(root: string, { networks, running, stopped }: Others): Promise<void> {
  const klee = await openKlee({ root });
  for (let number = 0; number < networks; number += 1)
    await klee.networks.create({ name: `net${number}`, subnet: `10.3.${number}.0/24` });
  for (let number = 0; number < running + stopped; number += 1) {
    const network = networks === 0 ? undefined : `net${number % networks}`;
    const { id } = await klee.containers.create({ image: "box", command: ["sleep", "1000"], network });
    if (number >= running) continue;
    const execution = await klee.containers.start(id, {
      stdio: { stdin: "null", stdout: "null", stderr: "null" },
      log: true,
    });
    execution.detach();
  }
  await klee.close();
}

/** Beside fifty others each command makes no more calls than beside one, and is sent no more. */
export function assertIndependent(
  alone: Measured,
  besideOne: Measured,
  besideFifty: Measured,
  tell: (line: string) => void,
): void {
  const of = (measured: Measured, name: string): Calls => measured.get(name) ?? { lines: [], received: 0 };
  for (const name of alone.keys()) {
    const figures = [alone, besideOne, besideFifty].map((measured) => of(measured, name));
    const [none = 0, one = 0, fifty = 0] = figures.map(({ lines }) => lines.length);
    const sent = figures.map(({ received }) => received);
    tell(
      `calls of klee ${name}: ${none} (0 others), ${one} (1 other), ${fifty} (50 others)${
        sent.some((bytes) => bytes > 0) ? `; bytes of netlink: ${sent.join(", ")}` : ""
      }`,
    );
  }
  for (const name of alone.keys()) {
    const [before, after] = [of(besideOne, name), of(besideFifty, name)];
    assert.ok(before.lines.length > 0);
    assert.ok(
      after.lines.length <= before.lines.length,
      `klee ${name} makes ${after.lines.length} calls, not ${before.lines.length}:\n${difference(after, before)}`,
    );
    assert.ok(
      after.received <= before.received,
      `klee ${name} is sent ${after.received} bytes, not ${before.received}`,
    );
  }
}

/** Lines of one that the other has not, without what differs from run to run. */
function difference(one: Calls, other: Calls): string {
  const plain = (line: string): string => line.replace(/ <\d+ us>$/, "").replaceAll(/[0-9a-f]{12}|\d+/g, "N");
  const left = other.lines.map(plain);
  const more = one.lines.map(plain).filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return more.join("\n");
}
