import assert from "node:assert/strict";
import { test } from "node:test";
import { klee, recorder } from "./fake.ts";
import { freebsd, hungryKnuth, listings, testnet } from "./samples.ts";

const containers = { list: async () => listings };
const networks = {
  list: async () => [testnet, { ...testnet, id: "0a1b2c3d4e5f", name: "six", subnet: "", subnet6: "fd00::/64" }],
};
const images = { list: async () => [freebsd, { ...freebsd, id: "22370bfb4a88", name: "", tag: "" }] };

test("lsc -a looks as in the walkthrough", async () => {
  const { status, stdout, stderr } = await klee({ containers }, ["lsc", "-a"]);
  assert.equal(
    stdout,
    ` CONTAINER ID    NAME            IMAGE            COMMAND            CREATED       STATUS    JID
─────────────────────────────────────────────────────────────────────────────────────────────────
 f455de07ac84    hungry_knuth    FreeBSD:latest   host freebsd.org   2 hours ago   running   3
 d763328950a2    strange_moser   FreeBSD:latest   ifconfig           2 hours ago   stopped
`,
  );
  assert.deepEqual([status, stderr], [0, ""]);
});

test("-a asks for all containers, and only -a", async () => {
  const { calls, record } = recorder<[{ readonly all: boolean }], typeof listings>([]);
  await klee({ containers: { list: record } }, ["container", "ls"]);
  await klee({ containers: { list: record } }, ["container", "ls", "-a"]);
  assert.deepEqual(calls, [[{ all: false }], [{ all: true }]]);
});

test("a long command is cut, whole with --no-trunc", async () => {
  const command = ["/bin/sh", "-c", "a very long command line that goes on"];
  const list = async () => [{ ...listings[0], command } as (typeof listings)[number]];
  const cut = await klee({ containers: { list } }, ["lsc"]);
  assert.match(cut.stdout, / {3}\/bin\/sh -c a very long command line tha… {3}2 hours ago {3}/);
  const whole = await klee({ containers: { list } }, ["lsc", "--no-trunc"]);
  assert.match(whole.stdout, / {3}\/bin\/sh -c a very long command line that goes on {3}/);
});

test("lsn shows both subnets", async () => {
  const { stdout } = await klee({ networks }, ["lsn"]);
  assert.equal(
    stdout,
    ` ID             NAME      TYPE       SUBNET        SUBNET6
──────────────────────────────────────────────────────────
 6b933304be4a   testnet   loopback   10.2.3.0/24
 0a1b2c3d4e5f   six       loopback                 fd00::/64
`.replace(/─+/, "─".repeat(61)),
  );
});

test("lsi", async () => {
  const { stdout } = await klee({ images }, ["lsi"]);
  assert.equal(
    stdout,
    ` ID             NAME      TAG      CREATED
${"─".repeat(46)}
 11370bfb4a88   FreeBSD   latest   6 days ago
 22370bfb4a88                      6 days ago
`,
  );
});

test("-q prints ids only", async () => {
  assert.equal((await klee({ containers }, ["lsc", "-aq"])).stdout, "f455de07ac84\nd763328950a2\n");
  assert.equal((await klee({ networks }, ["network", "ls", "-q"])).stdout, "6b933304be4a\n0a1b2c3d4e5f\n");
  assert.equal((await klee({ images }, ["lsi", "--quiet"])).stdout, "11370bfb4a88\n22370bfb4a88\n");
});

test("--format json prints an object per line, keys in order, and no jid as null", async () => {
  const { stdout } = await klee({ containers }, ["lsc", "-a", "--format", "json"]);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(
    lines[1],
    '{"command":["ifconfig"],"created":"2024-02-26T08:40:00.000000Z","id":"d763328950a2","image":"FreeBSD:latest","jid":null,"name":"strange_moser","status":"stopped"}',
  );
  assert.equal(lines.length, 2);
  assert.deepEqual(
    JSON.parse((await klee({ networks }, ["lsn", "--format=json"])).stdout.split("\n")[0] ?? ""),
    testnet,
  );
});

test("inspect prints the walkthrough's JSON, keys in order", async () => {
  const endpoint = {
    network_id: "testnet",
    container_id: "f455de07ac84",
    epair: null,
    id: "89ef2673d9e5",
    ip_address: "10.2.3.2",
    ip_address6: "",
  };
  const inspect = async () => ({
    container_mountpoints: [],
    container: hungryKnuth,
    container_endpoints: [endpoint],
  });
  const { stdout } = await klee({ containers: { inspect } }, ["container", "inspect", "f455"]);
  assert.ok(stdout.startsWith('{\n  "container": {\n    "cmd": [\n      "host",\n      "freebsd.org"\n    ],\n'));
  assert.ok(
    stdout.endsWith(
      '  "container_endpoints": [\n    {\n      "container_id": "f455de07ac84",\n      "epair": null,\n      "id": "89ef2673d9e5",\n      "ip_address": "10.2.3.2",\n      "ip_address6": "",\n      "network_id": "testnet"\n    }\n  ],\n  "container_mountpoints": []\n}\n',
    ),
  );
  assert.equal((await klee({ containers: { inspect } }, ["isc", "f455"])).stdout, stdout);
  const network = async () => ({ network: testnet, network_endpoints: [] });
  assert.match(
    (await klee({ networks: { inspect: network } }, ["isn", "testnet"])).stdout,
    /^\{\n {2}"network": \{\n {4}"exclude": \[\],\n {4}"gateway": "<auto>",/,
  );
  assert.match(
    (await klee({ images: { inspect: async () => freebsd } }, ["isi", "FreeBSD"])).stdout,
    /^\{\n {2}"cmd": \[/,
  );
});
