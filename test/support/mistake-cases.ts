import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type Finished, type Started, waitUntil } from "./machine.ts";

/** A host with klee on it, and an image `box` with a shell. */
interface Trial {
  klee(args: readonly string[]): Finished;
  readonly directory: string;
  /** A network that runs out for IPv6, as it were: the host's own address of the family. */
  readonly own6: string;
}

function ok(host: Trial, ...args: string[]): string {
  const { status, stdout, stderr } = host.klee(args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** It fails with this status, says so in one line, and leaves no container. */
function refused(host: Trial, status: number, message: RegExp, ...args: string[]): void {
  const before = ok(host, "lsc", "-a", "-q");
  const result = host.klee(args);
  assert.deepEqual([result.status, result.stdout], [status, ""], `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, /^klee: [^\n]+\n$/);
  assert.match(result.stderr, message);
  assert.equal(ok(host, "lsc", "-a", "-q"), before, args.join(" "));
}

/** A mount of what is not there: refused before anything is made. */
export function tryMissingSource(host: Trial): void {
  const source = join(host.directory, "nowhere");
  const message = new RegExp(`cannot mount ${source}: the host has no such file or directory`);
  refused(host, 1, message, "create", "-m", `${source}:/mnt`, "box");
  refused(host, 125, message, "run", "-m", `${source}:/mnt`, "box", "true");
}

/** A port on an address of a family that the container has not. */
export function tryDeadPort(host: Trial): void {
  ok(host, "network", "create", "--subnet", "10.90.0.0/24", "four");
  ok(host, "network", "create", "--subnet6", "fd90::/64", "six");
  const none6 = /cannot publish on \S+: the container has no IPv6 address in network four/;
  refused(host, 2, none6, "create", "-n", "four", "-p", "[::]:8080:80", "box");
  refused(host, 2, none6, "create", "-n", "four", "-p", `[${host.own6}]:8080:80`, "box");
  refused(host, 125, none6, "run", "-n", "four", "-p", "[::]:8080:80", "box", "true");
  const none4 = /cannot publish on \S+: the container has no IPv4 address in network six/;
  refused(host, 2, none4, "create", "-n", "six", "-p", "0.0.0.0:8080:80", "box");
  refused(host, 2, none4, "create", "-n", "six", "-p", "127.0.0.1:8080:80", "box");
  ok(host, "create", "--name", "both", "-n", "six", "-p", "8080:80", "-p", "[::]:8081:80", "box");
  ok(host, "rmc", "both");
  ok(host, "rmn", "four", "six");
}

/** Names that could be ids, and the starts of ids. */
export function tryNamesLikeIds(host: Trial): void {
  const id = ok(host, "network", "create", "--subnet", "10.91.0.0/24", "first");
  for (const [kind, ...args] of [
    ["network", "network", "create", "--subnet", "10.91.1.0/24", "0123456789ab"],
    ["container", "create", "--name", "0123456789ab", "box"],
    ["image", "image", "tag", "box", "0123456789ab"],
  ] as const)
    refused(host, 2, new RegExp(`invalid ${kind} name "0123456789ab": it could be the id of another ${kind}`), ...args);
  const start = id.slice(0, 4);
  const named = ok(host, "network", "create", "--subnet", "10.91.2.0/24", start);
  assert.equal(ok(host, "rmn", start), named, "a name goes before the start of an id");
  refused(host, 1, new RegExp(`network not found: ${start}`), "rmn", start);
  assert.equal(ok(host, "rmn", id.slice(0, 5)), id, "a longer start is one");

  const container = ok(host, "create", "--name", "old", "box");
  const short = container.slice(0, 3);
  const renamed = ok(host, "create", "--name", short, "box");
  ok(host, "container", "rename", short, "other");
  refused(host, 1, new RegExp(`container not found: ${short}`), "rmc", short);
  assert.equal(ok(host, "rmc", "other"), renamed);
  assert.equal(ok(host, "rmc", container.slice(0, 6)), container);
}

/** `network rm -f`: its containers are disconnected, those that run at once. */
export function tryForcedRemoval(host: Trial): void {
  const id = ok(host, "network", "create", "--subnet", "10.92.0.0/24", "used");
  ok(host, "network", "create", "--subnet", "10.93.0.0/24", "stays");
  ok(host, "run", "-d", "--name", "runs", "-n", "used", "box", "sleep", "1000");
  ok(host, "create", "--name", "rests", "-n", "used", "box");
  ok(host, "network", "connect", "stays", "runs");
  refused(
    host,
    1,
    /network used is used by containers [^;]+; remove or disconnect them first, or use -f/,
    "rmn",
    "used",
  );
  assert.equal(ok(host, "rmn", "-f", "used"), id);
  const endpoints = (name: string): { network_id: string }[] => JSON.parse(ok(host, "isc", name)).container_endpoints;
  assert.deepEqual(
    endpoints("runs").map(({ network_id }) => network_id),
    ["stays"],
  );
  assert.deepEqual(endpoints("rests"), []);
  assert.equal(JSON.parse(ok(host, "isc", "runs")).container.running, true);
  ok(host, "rmc", "-f", "runs", "rests");
  ok(host, "rmn", "-f", "stays");
  ok(host, "system", "check");
}

/** `-n host` and `-n none`. */
export function tryPlaces(host: Trial): void {
  for (const [network, driver] of [
    ["host", "host"],
    ["none", "disabled"],
  ] as const) {
    ok(host, "create", "--name", "placed", "--network", network, "box");
    assert.equal(JSON.parse(ok(host, "isc", "placed")).container.network_driver, driver);
    ok(host, "rmc", "placed");
    refused(
      host,
      2,
      new RegExp(`no network can be called ${network}`),
      "network",
      "create",
      "--subnet",
      "10.94.0.0/24",
      network,
    );
  }
  refused(
    host,
    2,
    /containers with the 'disabled' network-driver cannot connect/,
    "create",
    "-l",
    "disabled",
    "-n",
    "host",
    "box",
  );
}

/** Before there is any image. @param method the one to be named. */
export function tryWithoutImage(host: Trial, method: string): void {
  const way = `klee: no such image 'FreeBSD'; there is none yet: 'klee image create ${method} -t FreeBSD' makes one\n`;
  assert.equal(host.klee(["create", "FreeBSD"]).stderr, way);
  assert.equal(host.klee(["run", "FreeBSD", "true"]).stderr, way);
}

/** Commands start in their user's home, or where -w says. */
export function tryWorkingDirectory(host: Trial): void {
  const shown = (...args: string[]): string => {
    const { status, stdout, stderr } = host.klee(args);
    assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  assert.equal(shown("run", "--rm", "box", "pwd"), "/root");
  assert.equal(shown("run", "--rm", "-u", "web", "box", "pwd"), "/srv/web");
  assert.equal(shown("run", "--rm", "-u", "4711", "box", "pwd"), "/", "of whom there is no entry");
  assert.equal(shown("run", "--rm", "-u", "lost", "box", "pwd"), "/", "whose home is not there");
  assert.equal(shown("run", "--rm", "-w", "/srv", "box", "pwd"), "/srv");
  const id = ok(host, "create", "--name", "placed", "-w", "/srv", "box", "pwd");
  assert.equal(JSON.parse(ok(host, "isc", "placed")).container.workdir, "/srv");
  assert.equal(shown("start", "placed"), "/srv");
  assert.equal(shown("exec", "placed", "pwd"), "/srv");
  assert.equal(shown("exec", "-w", "/", "placed", "pwd"), "/");
  assert.equal(shown("exec", "-w", "", "placed", "pwd"), "/root");
  assert.equal(ok(host, "container", "update", "-w", "", "placed"), id);
  assert.equal(shown("start", "placed"), "/root");
  const absent = host.klee(["exec", "-w", "/nowhere", "placed", "pwd"]);
  assert.equal(absent.status, 125);
  assert.match(absent.stderr, /klee: cannot start in \/nowhere of the container: ENOENT\n$/);
  refused(host, 2, /invalid working directory "srv": give an absolute path/, "create", "-w", "srv", "box");
  assert.equal(JSON.parse(ok(host, "isc", "placed")).container.running, false);
  ok(host, "rmc", "placed");
}

/** `run --rm`: what outlives the command keeps the container, which goes with it. */
export function tryOutlived(host: Trial): void {
  const gone = (name: string): void =>
    waitUntil(() => !ok(host, "lsc", "-a").includes(name), `the end of the container ${name}`);
  const script = "(while test ! -e /tmp/end; do sleep 0.1; done) & exit 3";
  const { status, stderr } = host.klee(["run", "--rm", "--name", "outlived", "box", "sh", "-c", script]);
  assert.equal(status, 3, stderr);
  assert.match(stderr, /klee: container [0-9a-f]{12} still runs; it is removed when it has ended\n/);
  assert.match(ok(host, "lsc"), / outlived /);
  ok(host, "exec", "outlived", "sh", "-c", "echo > /tmp/end");
  gone("outlived");

  ok(
    host,
    "run",
    "-d",
    "--rm",
    "--name",
    "detached",
    "box",
    "sh",
    "-c",
    "while test ! -e /tmp/end; do sleep 0.1; done",
  );
  ok(host, "exec", "detached", "sh", "-c", "echo > /tmp/end");
  gone("detached");

  ok(host, "run", "-d", "--rm", "--name", "stopped", "box", "sleep", "1000");
  ok(host, "stop", "stopped");
  assert.equal(host.klee(["isc", "stopped"]).status, 1, "who stops it waits for that");
  assert.equal(host.klee(["run", "--rm", "--name", "never", "box", "nosuch"]).status, 127);
  assert.equal(host.klee(["isc", "never"]).status, 1);
  ok(host, "system", "check");
}

/** `run --rm` that is given up before its command starts: nothing is left of its container. */
export async function tryGivenUp(
  host: Trial & { readonly root: string; startKlee(args: readonly string[]): Started },
): Promise<void> {
  ok(host, "network", "create", "--subnet", "10.91.0.0/24", "given");
  // What changes the rules has this lock.
  const lock = join(host.root, "locks/firewall");
  // Killed when it has made the container, and when it waits for its turn.
  for (const [signal, pause] of [
    ["SIGKILL", 0],
    ["SIGTERM", 0],
    ["SIGKILL", 700],
    ["SIGTERM", 700],
  ] as const) {
    const holder = spawn("flock", ["--no-fork", lock, "sleep", "60"], { stdio: "ignore" });
    try {
      const isFree = (): boolean => spawnSync("flock", ["--nonblock", lock, "true"]).status === 0;
      waitUntil(() => !isFree(), "the lock to be held");
      const waiting = host.startKlee(["run", "--rm", "-n", "given", "box", "sleep", "1000"]);
      waitUntil(() => ok(host, "lsc", "-a", "-q") !== "", "its container");
      await setTimeout(pause);
      waiting.child.kill(signal);
      await waiting.ended;
    } finally {
      holder.kill("SIGKILL");
    }
    waitUntil(() => ok(host, "lsc", "-a", "-q") === "", `nothing to be left after ${signal}`);
  }
  ok(host, "rmn", "given");
}

/** Whatever ends a container takes it down once, not again when it is removed. */
export function tryOneEnd(host: Trial): void {
  ok(host, "network", "create", "--subnet", "10.92.0.0/24", "once");
  const run = ["-d", "--name", "ends", "-n", "once", "box", "sleep", "1000"];
  for (const [before, ...args] of [
    [[], "run", "--rm", "-n", "once", "box", "true"],
    [["run", ...run], "rmc", "-f", "ends"],
    [["run", "--rm", ...run], "stop", "ends"],
  ] as const) {
    if (before.length > 0) ok(host, ...before);
    const { status, stderr } = host.klee(["--trace", ...args]);
    assert.equal(status, 0, stderr);
    const removals = stderr.match(/^klee: (?:RTM_DELADDR|SIOCDIFADDR) .*$/gm) ?? [];
    assert.equal(removals.length, 1, `${args.join(" ")}:\n${removals.join("\n")}`);
  }
  assert.equal(ok(host, "lsc", "-a", "-q"), "");
  ok(host, "rmn", "once");
}
