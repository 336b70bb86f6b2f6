/** How the supervisor learns that a container has ended, whose last process is not the one that it started. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "../support/gate.ts";
import { waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import type { SimulatedRelease } from "../support/simulator.ts";

const gate = needs("root", "busybox");
const hosts = new Map<SimulatedRelease, SimulatedHost>();
after(() => {
  for (const host of hosts.values()) host[Symbol.dispose]();
});

function hostOf(release: SimulatedRelease): SimulatedHost {
  const known = hosts.get(release);
  if (known !== undefined) return known;
  const host = new SimulatedHost({ ...ordinaryMachine, release });
  hosts.set(release, host);
  const root = host.folder("rootfs");
  buildRoot(root, ["sh"]);
  assert.equal(host.klee(["image", "create", "dir", root, "-t", "box"]).status, 0);
  return host;
}

/** After the first process's end: is another one left in the jail? The length of the list of processes, and the list. */
const INHABITED = ["sysctl", "sysctl"];

/** The kernel calls that the supervisor made so far, in order. */
function callsOf(host: SimulatedHost): string[] {
  const log = join(host.directory, "calls");
  const lines = (existsSync(log) ? readFileSync(log, "utf8") : "").split("\n").map((line) => line.split(" "));
  // What it starts calls its first process into the jail.
  return lines
    .filter(([program, , , name]) => program === "klee-supervisor" && name !== "jail_attach")
    .map(([, , , ...name]) => name.join(" "));
}

const looksOf = (host: SimulatedHost) => callsOf(host).filter((name) => name === "jail_get").length;

/** Starts a container, and the log of its supervisor's calls; returns its id. */
function start(host: SimulatedHost, options: string[], command: string, environment: NodeJS.ProcessEnv = {}): string {
  host.simulator.use();
  const log = join(host.directory, "calls");
  rmSync(log, { force: true });
  const args = ["run", "-d", "-l", "disabled", "--name", "one", ...options, "box", "sh", "-c", command];
  const { status, stdout, stderr } = host.klee(args, { KLEE_SIM_CALLS: log, ...environment });
  assert.equal(status, 0, stderr);
  const [id = ""] = stdout.split("\n");
  return id;
}

function waitForFirstProcess(host: SimulatedHost, id: string, status: number): void {
  const record = join(host.root, "runs", id);
  waitUntil(() => readFileSync(record, "utf8").split("\n")[1] === String(status), "the first process to end");
}

/**
 * Runs a container whose first process ends and leaves one behind, which ends when it is told. Returns the supervisor's
 * calls from the one on by which it asks to be told of the end.
 *
 * @param looking does the supervisor look until then?
 */
async function outlive(host: SimulatedHost, looking: boolean, environment: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const id = start(host, [], "while [ ! -e /end ]; do sleep 0.02; done & exit 3", environment);
  waitForFirstProcess(host, id, 3);
  if (looking) waitUntil(() => looksOf(host) >= 4, "looks");
  else {
    await sleep(400);
    assert.equal(looksOf(host), 0, "what is told is not looked for, however long it takes");
  }
  const path = host.state().jails[0]?.path ?? "";
  writeFileSync(join(path, "end"), "");
  waitUntil(() => host.state().jails.length === 0, "the jail to end");
  waitUntil(() => !host.state().mounts.some((mount) => mount.path.startsWith(path)), "the take-down");
  assert.equal(host.klee(["rmc", "one"]).status, 0);
  const calls = callsOf(host);
  return calls.slice(calls.indexOf("kqueue"));
}

test("release 15 tells the supervisor of the jail's end: it looks once, then", gate, async () => {
  const calls = await outlive(hostOf(15), false);
  // The second look is for a new jail of the name, under the container's lock.
  assert.deepEqual(calls, ["kqueue", "kevent", ...INHABITED, "jail_get", "jail_get"]);
});

for (const release of [14, 12] as const)
  test(`release ${release} tells nobody: it looks until the jail is gone`, gate, async () => {
    await outlive(hostOf(release), true);
  });

for (const [call, errno] of [
  ["kqueue", "ENOSYS"],
  ["kevent", "EINVAL"],
  ["kevent", "ENOTCAPABLE"],
] as const)
  test(`where ${call} fails with ${errno} it looks on release 15 as well`, gate, async () => {
    await outlive(hostOf(15), true, { KLEE_SIM_FAULT: `${call}:${errno}:klee-supervisor` });
  });

test("a persistent jail without processes makes no supervisor look on release 15", gate, async () => {
  const host = hostOf(15);
  const id = start(host, ["-J", "persist"], "exit 4");
  waitForFirstProcess(host, id, 4);
  await sleep(400);
  assert.equal(looksOf(host), 0);
  assert.equal(host.state().jails.length, 1);
  assert.equal(host.klee(["stop", "one"]).status, 0);
  waitUntil(() => looksOf(host) === 2, "the supervisor to hear of it");
  assert.equal(host.klee(["rmc", "one"]).status, 0);
});
