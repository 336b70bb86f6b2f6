import { strict as assert } from "node:assert";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { before, hasUnixHooks, needs } from "../support/gate.ts";
import { GATEWAY, GATEWAY_INTERFACE, GATEWAY6, kleeCommand, Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import { markdown, type Probe, readTable } from "./table.ts";

/** Fewer than this would not be worth the name. */
const PROBES_MIN = 300;
/** More than exec.stop and SIGTERM have, and less than anybody waits. */
const STOP_MS = 10_000;
const OTHER = "10.2.3.9";
const OTHER6 = "fd00:2:3::9";
/** An abstract unix socket of the host, which has no file. */
const LISTENER = `klee-test-${process.pid}`;
/** What a kernel built without the thing answers: refusal enough where a refusal is listed. */
const ABSENT = ["ENOENT", "ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ENOPROTOOPT", "ENODEV"];
/** What is tried in: drivers, and ipnet with the one parameter that adds a capability, and in an internal network. */
const kinds = ["ipnet", "raw sockets", "internal", "host", "disabled"] as const;
const PORT = 4711;

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox", "cc");
const machine = new Machine();
const { ok } = machine;
const document = fileURLToPath(new URL("../../docs/security.md", import.meta.url));
const marker = join(machine.directory, "marker");
const server = createServer();
let otherMark = 0;
const sockets: Socket[] = [];
const heard: { readonly text: string; readonly source: string; readonly address: string }[] = [];
after(() => {
  for (const socket of sockets) socket.close();
  server.close();
  machine[Symbol.dispose]();
});

before(async () => {
  writeFileSync(marker, "");
  // The kernel completes connections by itself, up to the backlog: nobody needs to accept them.
  await new Promise<void>((resolve) => server.listen({ path: `\0${LISTENER}` }, resolve));
  const root = machine.folder("rootfs");
  buildRoot(root, ["sh"]);
  const source = fileURLToPath(new URL("probes.c", import.meta.url));
  execFileSync("cc", [
    "-static",
    "-std=gnu11",
    "-O1",
    "-Wall",
    "-Wno-unused-value",
    "-o",
    join(root, "bin/probes"),
    source,
  ]);
  await serveAbstract(join(root, "bin/probes"));
  ok("image", "create", "dir", root, "-t", "box");
  ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "net");
  ok("network", "create", "--subnet", "10.2.4.0/24", "--subnet6", "fd00:2:4::/64", "--internal", "inner");
  const raw = ["-J", "allow.raw_sockets"];
  const id = ok("run", "-d", "-n", "net", ...raw, "--ip", OTHER, "--ip6", OTHER6, "box", "sleep", "1000");
  otherMark = Number.parseInt(id.slice(0, 8), 16);
  for (const address of [GATEWAY, GATEWAY6, "127.0.0.1", "127.0.0.53", "::1"]) await hear(address);
});

/** Listens on the host for what is no stream. */
async function serveAbstract(program: string): Promise<void> {
  const child = spawn(program, ["serve", LISTENER], { stdio: ["ignore", "pipe", "inherit"] });
  machine.track(child);
  await once(child.stdout, "data");
}

/** Notes what comes to the port of an address of the host that the probes send to. */
async function hear(address: string): Promise<void> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  sockets.push(socket);
  socket.on("message", (data, { address: source }) => heard.push({ text: data.toString("latin1"), source, address }));
  await new Promise<void>((resolve) => socket.bind(PORT, address, resolve));
}

const optionsOf = {
  ipnet: ["-n", "net"],
  "raw sockets": ["-n", "net", "-J", "allow.raw_sockets"],
  internal: ["-n", "inner"],
  host: ["-l", "host"],
  disabled: ["-l", "disabled"],
} as const;

/** A container that stops whoever enters it, with somebody in there who hangs, is removed in a bounded time. */
function makeUnstoppable(kind: (typeof kinds)[number]): string {
  const quick = ["-J", "exec.timeout=1", "-J", "stop.timeout=1"];
  const line = "trap '' TERM; while :; do kill -STOP -1; done";
  ok("run", "-d", "--name", "hostile", ...optionsOf[kind], ...quick, "box", "sh", "-c", line);
  machine.startKlee(["exec", "hostile", "sleep", "1000"]);
  const begun = Date.now();
  ok("rmc", "-f", "hostile");
  return Date.now() - begun < STOP_MS ? "killed" : "allowed";
}

function probe(kind: (typeof kinds)[number]): Map<string, string> {
  const options = optionsOf[kind];
  const given = [GATEWAY, GATEWAY6, OTHER, OTHER6, GATEWAY_INTERFACE, marker, LISTENER, String(otherMark)];
  const lines = toFile(["run", "--rm", ...options, "box", "probes", ...given])
    .trim()
    .split("\n");
  return new Map(
    lines.map((line) => {
      const [group = "", what = "", result = ""] = line.split("\t");
      return [`${group}\t${what}`, result];
    }),
  );
}

/** Runs klee with its standard output and error in a file, and returns that: it stays what it was, but for what was written. */
function toFile(args: readonly string[]): string {
  const path = join(machine.directory, "given");
  writeFileSync(path, "before\n", { mode: 0o600 });
  const file = openSync(path, "a");
  const { status } = spawnSync(process.execPath, [kleeCommand, ...args], {
    env: machine.environment(),
    stdio: ["ignore", file, file],
    timeout: 60_000,
  });
  closeSync(file);
  const text = readFileSync(path, "utf8");
  assert.equal(status, 0, text);
  const { mode, uid, gid } = statSync(path);
  assert.deepEqual([mode & 0o7777, uid, gid], [0o600, 0, 0], "the file that klee was given as standard output");
  assert.ok(text.startsWith("before\n"), text.slice(0, 100));
  return text
    .split("\n")
    .filter((line) => line.split("\t").length === 3)
    .join("\n");
}

/** Kernels without the hooks cannot refuse what goes to abstract unix sockets. */
const isUnhooked = (result: string, what: string): boolean =>
  result === "allowed" && what.includes("abstract") && !hasUnixHooks();

const isAbsent = (result: string, listed: string | undefined): boolean =>
  ABSENT.includes(result) && listed !== undefined && listed !== "allowed";

test("what a process in a container must not do is refused, as docs/security.md lists it", gate, async (t) => {
  const nullDevice = (): unknown[] => {
    const { mode, uid, gid } = statSync("/dev/null");
    return [mode, uid, gid];
  };
  const before = nullDevice();
  const results = kinds.map(probe);
  assert.deepEqual(nullDevice(), before, "the host's null device, which containers changed by their own");
  const found: Probe[] = [...(results[0]?.keys() ?? [])].map((key) => {
    const [group = "", what = ""] = key.split("\t");
    return { group, what, results: results.map((result) => result.get(key) ?? "-") };
  });
  const what = "stop whoever enters, kill -STOP -1 for ever, against klee rmc -f";
  found.push({ group: "processes", what, results: kinds.map(makeUnstoppable) });
  const text = readFileSync(document, "utf8");
  if (process.env.KLEE_UPDATE_GOLDEN === "1") writeFileSync(document, markdown(text, kinds, found));
  const expected = readTable(readFileSync(document, "utf8"));
  const wrong = found.filter(({ what, results }) => {
    const listed = expected.find((row) => row.what === what)?.results ?? [];
    return results.some(
      (result, column) => result !== listed[column] && !isAbsent(result, listed[column]) && !isUnhooked(result, what),
    );
  });
  t.diagnostic(
    `probes ${found.length - wrong.length} of ${found.length} as listed, in ${kinds.length} kinds of container`,
  );
  assert.deepEqual(wrong, []);
  // What was allowed came from an own address all the same, and nothing to the host's loopback.
  await sleep(300);
  const raw = heard.filter(({ text }) => text.startsWith("raw"));
  assert.deepEqual(
    raw.filter(({ source, address }) => !/^10\.2\.3\.[1-8]$/.test(source) || address !== GATEWAY),
    [],
  );
  assert.equal(
    raw.length,
    found.filter(({ group, results }) => group === "packets" && results[1] === "allowed").length,
  );
  assert.equal(expected.length, found.length);
  assert.ok(found.length >= PROBES_MIN);
});
