import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { draw, type GraphFormat } from "../../../src/cli/graph/draw.ts";
import type { Endpoint, Network, PublishedPort, Topology } from "../../../src/kleene/model.ts";
import { needs } from "../../support/gate.ts";
import { klee } from "./fake.ts";
import { testnet } from "./samples.ts";

const formats: readonly GraphFormat[] = ["tree", "dot", "svg", "mermaid"];

const endpoint = (network: Network, container_id: string, ip_address: string, ip_address6 = ""): Endpoint => ({
  container_id,
  epair: null,
  id: "89ef2673d9e5",
  ip_address,
  ip_address6,
  network_id: network.name,
});

const port = (host_port: string, container_port: string, ip_address: string, ip_address6: string): PublishedPort => ({
  container_port,
  host_address: "",
  host_port,
  interfaces: ["em0"],
  ip_address,
  ip_address6,
  protocol: "tcp",
});

const back: Network = { ...testnet, id: "0216dfadac84", name: "back", interface: "kleene1", internal: true, nat: "" };
const web = "12303a627fc5";
const job = "d763328950a2";

/** One container in two networks, its addresses of the two families in different ones; one that is alone. */
const small: Topology = {
  networks: [
    { network: back, network_endpoints: [endpoint(back, web, "", "fd00:2:5::1")] },
    { network: testnet, network_endpoints: [endpoint(testnet, web, "10.2.3.1"), endpoint(testnet, job, "10.2.3.2")] },
  ],
  containers: [
    { id: web, name: "web", status: "running", public_ports: [port("8080", "80", "10.2.3.1", "fd00:2:5::1")] },
    { id: job, name: "job", status: "restarting", public_ports: [] },
  ],
};

test("klee network graph draws what the domain tells of the networks named", async () => {
  const asked: (readonly string[])[] = [];
  const topology = async (references: readonly string[]) => {
    asked.push(references);
    return small;
  };
  for (const format of formats) {
    const { stdout, stderr, status } = await klee({ networks: { topology } }, [
      ...["network", "graph", "--format", format, "back", "testnet"],
    ]);
    assert.deepEqual([stdout, stderr, status], [draw(format, small), "", 0]);
  }
  const { stdout } = await klee({ networks: { topology } }, ["network", "graph"]);
  assert.equal(stdout, draw("tree", small));
  assert.deepEqual(asked, [...formats.map(() => ["back", "testnet"]), []]);
  assert.equal((await klee({}, ["network", "graph", "--format", "png"])).status, 2);
});

test("Graphviz: clusters around interfaces, a line to each further network, one arrow for a port", () => {
  assert.equal(
    draw("dot", small).split("\n").slice(5).join("\n"),
    `  subgraph cluster_n0 {
    label="back\\n10.2.3.0/24\\nloopback, internal";
    n0 [shape=ellipse, fillcolor="#e3edf7", label="kleene1"];
    c12303a627fc5 [label="web\\nfd00:2:5::1"];
  }
  subgraph cluster_n1 {
    label="testnet\\n10.2.3.0/24\\nloopback, NAT on em0";
    n1 [shape=ellipse, fillcolor="#e3edf7", label="kleene0"];
    cd763328950a2 [label="job\\n10.2.3.2", style="rounded,filled,dashed", fontcolor="#667788", tooltip="restarting"];
  }
  c12303a627fc5 -> n1 [dir=none, label="10.2.3.1"];
  p0 [shape=plaintext, style="", label="em0:8080"];
  p0 -> c12303a627fc5 [label="80/tcp"];
}
`,
  );
});

test("Mermaid: the same nodes and lines, what is no letter or digit spelled out", () => {
  assert.equal(
    draw("mermaid", small),
    `flowchart LR
 subgraph s0["back<br>10.2.3.0/24<br>loopback, internal"]
  n0(["kleene1"])
  c0["web<br>fd00:2:5::1"]
 end
 subgraph s1["testnet<br>10.2.3.0/24<br>loopback, NAT on em0"]
  n1(["kleene0"])
  c1["job<br>10.2.3.2"]:::idle
 end
 c0 ---|"10.2.3.1"| n1
 p0>"em0:8080"]
 p0 -->|"80/tcp"| c0
 classDef idle stroke-dasharray: 4 3,color:#667788
`,
  );
});

/** What would be markup, or drive a terminal, in each of the formats, were it not escaped. */
const hostile = `"<b>&'\\#]];|${"\u001b"}[31m\u202e`;
const hostileTopology: Topology = {
  networks: [
    {
      network: { ...testnet, name: `${hostile}]]>`, interface: hostile, nat: hostile },
      network_endpoints: [endpoint({ ...testnet, name: hostile }, web, "10.2.3.1")],
    },
  ],
  containers: [
    {
      id: web,
      name: `${hostile}\uffff`,
      status: "running",
      public_ports: [{ ...port("1", "2", "10.2.3.1", ""), interfaces: [hostile] }],
    },
  ],
};

test("no format's markup, and nothing that drives a terminal, comes out of a name", () => {
  for (const format of formats) {
    const drawn = draw(format, hostileTopology);
    assert.doesNotMatch(drawn.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u, format);
  }
  assert.doesNotMatch(draw("svg", hostileTopology), /<b>|&'/);
  assert.doesNotMatch(draw("mermaid", hostileTopology), /<b>|"[^"\n]*"[^"\n]*"[^"\n]*"/);
});

const external = needs("dot", "xmllint");

function accepted(program: string, args: readonly string[], input: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8", maxBuffer: 1 << 28 });
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout;
}

/** A thousand containers in three networks; every tenth is in two of them and publishes a port. */
function large(): Topology {
  const networks = ["a", "b", "c"].map((name) => ({ ...testnet, name, interface: `if-${name}` }));
  const id = (index: number): string => index.toString(16).padStart(12, "0");
  const address = (index: number): string => `10.2.${index >> 8}.${index & 255}`;
  const all = Array.from({ length: 1000 }, (_, index) => index);
  return {
    networks: networks.map((network, at) => ({
      network,
      network_endpoints: all
        .filter((index) => index % 3 === at || (index % 10 === 0 && (index + 1) % 3 === at))
        .map((index) => endpoint(network, id(index), address(index))),
    })),
    containers: all.map((index) => ({
      id: id(index),
      name: `container_${index}`,
      status: index % 2 === 0 ? "running" : "stopped",
      public_ports: index % 10 === 0 ? [port(`${index + 1}`, "80", address(index), "")] : [],
    })),
  };
}

test("Graphviz and an XML parser take what is drawn of one hostile and of a thousand containers", external, () => {
  for (const topology of [small, hostileTopology, large(), { networks: [], containers: [] }]) {
    const nodes = accepted("dot", ["-Tplain"], draw("dot", topology)).match(/^node c/gm) ?? [];
    assert.equal(nodes.length, topology.containers.length);
    const image = draw("svg", topology);
    accepted("xmllint", ["--noout", "--nonet", "-"], image);
    const count = "count(//*[local-name()='circle'])";
    const boxes = topology.networks.reduce((sum, { network_endpoints }) => sum + network_endpoints.length, 0);
    assert.equal(accepted("xmllint", ["--xpath", count, "-"], image).trim(), String(boxes));
  }
});

test("no two things overlap in the image, all lie inside, and a thousand containers make no strip", () => {
  for (const topology of [small, large()]) {
    const image = draw("svg", topology);
    const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(image) ?? []).map(Number);
    const boxes = [...image.matchAll(/<rect class="box[^"]*" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"/g)].map(
      (match) => match.slice(1).map(Number) as [number, number, number, number],
    );
    const rows = new Map<number, [number, number, number, number][]>();
    for (const box of boxes) rows.set(box[1], [...(rows.get(box[1]) ?? []), box]);
    let bottom = 0;
    for (const [y, row] of [...rows].sort(([one], [other]) => one - other)) {
      assert(y >= bottom);
      bottom = y + (row[0]?.[3] ?? Number.NaN);
      let right = 0;
      for (const [x, , w] of row) {
        assert(x >= right);
        right = x + w;
      }
      assert(right <= width && bottom <= height);
    }
    assert(width / height < 6 && height / width < 6, `${width} x ${height}`);
  }
});

test("within Mermaid's limits: 500 lines and 50,000 characters", () => {
  const drawn = draw("mermaid", large());
  assert((drawn.match(/ -->| ---/g) ?? []).length <= 500);
  assert(drawn.length <= 50_000, String(drawn.length));
});
