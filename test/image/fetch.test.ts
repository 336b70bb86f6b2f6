import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { type Klee, openKlee } from "../../src/kleene/klee.ts";
import { before, needs } from "../support/gate.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";
import { tarArchive, tarEntry } from "../support/tar-bytes.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { xzCompressed } from "../support/xz.ts";

const gate = needs("root", "ip");
enterNetworkNamespace();
if (!gate.skip) execFileSync("ip", ["link", "set", "lo", "up"]);

const archive = xzCompressed(tarArchive(tarEntry({ name: "file", content: Buffer.from("fetched\n") })));
const digest = createHash("sha256").update(archive).digest("hex");
const files: Readonly<Record<string, Buffer>> = {
  "/good/base.txz": archive,
  "/good/MANIFEST": Buffer.from(`base.txz\t${digest}\t1\tbase\t"Base system"\ton\nkernel.txz\t00\t1\n`),
  "/changed/base.txz": archive,
  "/changed/MANIFEST": Buffer.from(`base.txz\t${"0".repeat(64)}\t1\n`),
  "/alone/base.txz": archive,
  "/releases/amd64/amd64/14.3-RELEASE/base.txz": archive,
};
const server = createServer(({ url = "" }, response) => {
  const body = files[url];
  response.writeHead(body === undefined ? 404 : 200);
  response.end(body);
});
const directory = temporaryDirectory();
let klee: Klee;
let origin = "";

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  klee = await openKlee({ root: `${directory.path}/store` });
});
after(async () => {
  if (!gate.skip) await klee.close();
  server.close();
  server.closeAllConnections();
  directory[Symbol.dispose]();
});

const left = (): string[] => {
  const images = `${directory.path}/store/images`;
  return existsSync(images) ? readdirSync(images) : [];
};

test("an archive that its manifest vouches for becomes an image, as does one without a manifest", gate, async () => {
  for (const place of ["good", "alone"]) {
    const { id, dataset } = await klee.images.create({ method: "fetch", source: `${origin}/${place}/base.txz` });
    assert.equal(readFileSync(`${dataset}/file`, "utf8"), "fetched\n");
    assert.deepEqual(left(), [id]);
    await klee.images.remove(id);
  }
});

test("what is not as the manifest says, not there, or no URL is refused, and nothing stays", gate, async () => {
  const refused = (source: string | undefined, message: RegExp) =>
    assert.rejects(klee.images.create({ method: "fetch", source }), { name: "KleeError", message });
  await refused(`${origin}/changed/base.txz`, /its SHA-256 is [0-9a-f]{64}, not 0{64} as its MANIFEST says/);
  await refused(`${origin}/good/none.txz`, /cannot fetch .*none\.txz: 404/);
  await refused("http://127.0.0.1:4444/base.txz", /cannot fetch .*ECONNREFUSED/);
  await refused("file:///etc/passwd", /is no URL; give https:/);
  await refused(undefined, /the SOURCE argument is needed/);
  assert.deepEqual(left(), []);
});

test("a release is called by its version, unless it is given a name, and --autotag goes before one", gate, async () => {
  const named = async (request: { tag?: string; autotag?: boolean }, path: string): Promise<string> => {
    const { id, name, tag } = await klee.images.create({ method: "fetch", source: `${origin}${path}`, ...request });
    await klee.images.remove(id);
    return `${name}:${tag}`;
  };
  const release = "/releases/amd64/amd64/14.3-RELEASE/base.txz";
  assert.equal(await named({}, release), "FreeBSD-14.3-RELEASE:latest");
  assert.equal(await named({ tag: "mine:1" }, release), "mine:1");
  assert.equal(await named({ tag: "mine:1", autotag: true }, release), "FreeBSD-14.3-RELEASE:latest");
  assert.equal(await named({ autotag: false }, release), ":");
  assert.equal(await named({}, "/alone/base.txz"), ":");
  await assert.rejects(named({ autotag: true }, "/alone/base.txz"), /--autotag names images of FreeBSD's releases/);
  await assert.rejects(klee.images.create({ method: "fetch-auto" }), /'fetch-auto' fetches the host's own release/);
});
