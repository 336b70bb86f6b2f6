/** `klee image create fetch-auto` on a simulated FreeBSD: the host's own release, from a mirror. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { xzCompressed } from "../support/xz.ts";

const gate = needs("root", "ip");
enterNetworkNamespace();
const host = new SimulatedHost({ ...ordinaryMachine, release: 15 });
let server: ChildProcess | undefined;
after(() => {
  server?.kill();
  host[Symbol.dispose]();
});

/** klee is waited for in this process, so another one serves it. */
const SERVER = `const { createServer } = require("node:http"), { createReadStream } = require("node:fs");
createServer(({ url }, response) => {
  const file = createReadStream(process.argv[1] + url);
  file.on("error", () => response.writeHead(404).end()).on("open", () => file.pipe(response));
}).listen(8000, "127.0.0.1", () => console.log("ready"));`;
const RELEASE = "15.1-RELEASE";

before(async () => {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const mirror = host.folder("mirror");
  const directory = join(mirror, "releases/amd64/amd64", RELEASE);
  mkdirSync(directory, { recursive: true });
  const archive = xzCompressed(
    tarArchive(tarEntry({ name: "etc", type: "5" }), tarEntry({ name: "etc/rc", content: Buffer.from("true\n") })),
  );
  writeFileSync(join(directory, "base.txz"), archive);
  const digest = createHash("sha256").update(archive).digest("hex");
  writeFileSync(join(directory, "MANIFEST"), `base.txz\t${digest}\t1\tbase\t"Base system"\ton\n`);
  const child = spawn(process.execPath, ["-e", SERVER, mirror], { stdio: ["ignore", "pipe", "inherit"] });
  server = child;
  await new Promise((resolve) => child.stdout.once("data", resolve));
});

test("the base system of the host's release, called by its version, with the command that starts it", gate, () => {
  const { status, stdout, stderr } = host.klee(["image", "create", "fetch-auto", "http://127.0.0.1:8000/"]);
  assert.equal(status, 0, stderr);
  const image = JSON.parse(host.klee(["isi", stdout.trim()]).stdout);
  assert.deepEqual([image.name, image.tag, image.cmd], [`FreeBSD-${RELEASE}`, "latest", ["/bin/sh", "/etc/rc"]]);
  assert.equal(host.klee(["create", `FreeBSD-${RELEASE}`]).status, 0);
});

test("what the mirror has not is said with its URL", gate, () => {
  const { status, stderr } = host.klee(["image", "create", "fetch-auto", "http://127.0.0.1:8000/elsewhere"]);
  assert.equal(status, 1);
  assert.match(
    stderr,
    new RegExp(`cannot fetch http://127\\.0\\.0\\.1:8000/elsewhere/releases/amd64/amd64/${RELEASE}/base\\.txz: 404`),
  );
});
